import { startTcpProxy, type TcpProxy } from './tcp-proxy';

/** A way to a vendor that hands over what is posted only when the caller has given it up; look-ups pass at once. */
export interface SlowReader extends TcpProxy {
  /** Posts that were handed over after their caller had gone. */
  readonly held: number;
}

/** @param first so many connections are held; later ones pass */
export async function startSlowReader(target: string, first: number): Promise<SlowReader> {
  let held = 0;
  const { url, close } = await startTcpProxy(target, (near, far) => {
    const kept: Buffer[] = [];
    near.on('data', (chunk: Buffer) => {
      const isPost =
        kept.length > 0 || (chunk.toString('latin1').startsWith('POST') && held < first);
      if (!isPost) return void far.write(chunk);
      if (kept.length === 0) held += 1;
      kept.push(chunk);
    });
    // Before the other end is closed.
    near.on('close', () => kept.forEach((chunk) => far.write(chunk)));
    far.on('data', (chunk) => near.write(chunk));
  });
  return {
    url,
    close,
    get held() {
      return held;
    },
  };
}
