import { startTcpProxy, type TcpProxy } from './tcp-proxy';

/** A way to PostgreSQL that can lose the answer to a statement that was carried out. */
export interface CuttingProxy extends TcpProxy {
  /** The connection that next sends these bytes is cut before it hears anything more; the server goes on. */
  cutAfter(sent: string): void;
  readonly cuts: number;
  /** From the cut on nobody gets through until so many have tried. */
  turnAwayAfterCut(callers: number): void;
}

export async function startCuttingProxy(target: string): Promise<CuttingProxy> {
  let pattern: string | null = null;
  let cuts = 0;
  let toTurnAway = 0;
  const { url, close } = await startTcpProxy(target, (near, far) => {
    let isDeaf = false;
    if (cuts > 0 && toTurnAway > 0) {
      toTurnAway -= 1;
      near.destroy();
    }
    near.on('data', (chunk) => {
      if (pattern !== null && chunk.includes(pattern)) {
        pattern = null;
        isDeaf = true;
        cuts += 1;
      }
      far.write(chunk);
    });
    far.on('data', (chunk) => {
      // The answer is there, so the server is done: now the caller loses the line.
      if (isDeaf) near.destroy();
      else near.write(chunk);
    });
  });
  return {
    url,
    close,
    cutAfter: (sent) => {
      pattern = sent;
    },
    get cuts() {
      return cuts;
    },
    turnAwayAfterCut: (callers) => {
      toTurnAway = callers;
    },
  };
}
