import { setTimeout as delay } from 'node:timers/promises';
import { Readable } from 'node:stream';
import { generateAudience } from '../demo/example-csv';

interface PausingFile {
  file: () => Readable;
  /** So much of it has been read. */
  reached: Promise<void>;
  goOn: () => void;
}

/** A file of which, the first time it is read, only a share comes until it is told to go on; at least its end is missing. */
export function pausing(recipients: number, share: number): PausingFile {
  const reached = newGate();
  const told = newGate();
  let isFirst = true;
  async function* lines(): AsyncGenerator<string> {
    const waits = isFirst;
    isFirst = false;
    const chunks = [...generateAudience(recipients, 7)].flatMap(
      (chunk) => chunk.match(/[^]{1,2048}/g) ?? [],
    );
    const last = Math.floor((chunks.length - 1) * share);
    for (const [i, chunk] of chunks.entries()) {
      if (i === last && waits) {
        reached.open();
        await told.opened;
      }
      yield chunk;
      // So that what was sent is on its way before the next part of it.
      await delay(1);
    }
  }
  return {
    file: () => Readable.from(lines(), { objectMode: false }),
    reached: reached.opened,
    goOn: told.open,
  };
}

function newGate(): { opened: Promise<void>; open: () => void } {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open: () => open() };
}
