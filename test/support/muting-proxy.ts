import { startTcpProxy, type TcpProxy } from './tcp-proxy';

/** A way to PostgreSQL on which a host can vanish: what is sent is taken, and nothing is ever heard again. */
export interface MutingProxy extends TcpProxy {
  /** The connection that next sends these bytes falls silent: behind them, or once that much of the answer is through. */
  muteAfter(sent: string, heardBytes?: number): void;
  readonly muted: number;
}

export async function startMutingProxy(target: string): Promise<MutingProxy> {
  let next: { sent: string; heardBytes: number } | null = null;
  let muted = 0;
  const { url, close } = await startTcpProxy(target, (near, far) => {
    let leftBytes = Infinity;
    near.on('data', (chunk) => {
      if (leftBytes <= 0) return;
      far.write(chunk);
      if (next === null || !chunk.includes(next.sent)) return;
      leftBytes = next.heardBytes;
      next = null;
      muted += 1;
    });
    far.on('data', (chunk) => {
      if (leftBytes <= 0) return;
      near.write(chunk.subarray(0, leftBytes));
      leftBytes -= chunk.length;
    });
  });
  return {
    url,
    close,
    muteAfter: (sent, heardBytes = 0) => {
      next = { sent, heardBytes };
    },
    get muted() {
      return muted;
    },
  };
}
