import type { Readable } from 'node:stream';
import { RegenteError } from '../../domain/errors';

export interface UploadWatchOptions {
  /** Told every so often; its failures do not matter, for the next one says more. */
  report: () => Promise<unknown>;
  everyMs?: number;
  /** How long a client may send nothing while it is being listened to. */
  patienceMs?: number;
}

/** Looks after a running upload: says how far it is, and ends one whose client has fallen silent. */
export class UploadWatch {
  readonly #timer: NodeJS.Timeout;
  #reporting = false;
  #heardAt = Date.now();
  #heard = 0;
  #busy = false;

  constructor(
    source: Readable,
    receivedBytes: () => number,
    { report, everyMs = 1_000, patienceMs = 60_000 }: UploadWatchOptions,
  ) {
    this.#timer = setInterval(() => {
      if (this.#busy || receivedBytes() !== this.#heard) {
        this.#heardAt = Date.now();
        this.#heard = receivedBytes();
      } else if (Date.now() - this.#heardAt > patienceMs) {
        source.destroy(
          new RegenteError('VALIDATION', 'The upload stood still for too long. Send it again.'),
        );
      }
      this.#report(report);
    }, everyMs);
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

  #report(report: () => Promise<unknown>): void {
    if (this.#reporting) return;
    this.#reporting = true;
    report()
      .catch(() => undefined)
      .finally(() => {
        this.#reporting = false;
      });
  }
}
