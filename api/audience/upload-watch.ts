import type { Readable } from 'node:stream';
import { RegenteError } from '../../domain/errors';

const EVERY_MS = 1_000;
/** How long a client may send nothing while it is being listened to. */
const PATIENCE_MS = 60_000;

/** Ends an upload whose client has fallen silent. */
export class UploadWatch {
  readonly #timer: NodeJS.Timeout;
  #heardAt = Date.now();
  #heard = 0;
  #busy = false;

  constructor(source: Readable, receivedBytes: () => number, patienceMs = PATIENCE_MS) {
    this.#timer = setInterval(() => {
      if (this.#busy || receivedBytes() !== this.#heard) {
        this.#heardAt = Date.now();
        this.#heard = receivedBytes();
      } else if (Date.now() - this.#heardAt > patienceMs) {
        source.destroy(
          new RegenteError('VALIDATION', 'The upload stood still for too long. Send it again.'),
        );
      }
    }, EVERY_MS);
    this.#timer.unref();
  }

  /** While this runs, it is not the client who is slow. */
  async whileBusy<T>(work: () => Promise<T>): Promise<T> {
    this.#busy = true;
    try {
      return await work();
    } finally {
      this.#busy = false;
    }
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
