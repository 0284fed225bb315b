import { setTimeout as delay } from 'node:timers/promises';

/** How far an upload is. */
export interface UploadTotals {
  rowsRead: number;
  bytesRead: number;
}

const EVERY_MS = 1_000;
const LONGEST_SIGN_MS = 3_000;

/**
 * An upload's sign of life, from its beginning to its end: says every second how far it is. A failure of it does not
 * matter, for the next one says more.
 */
export class UploadPulse {
  readonly #timer: NodeJS.Timeout;
  #totals = (): UploadTotals => ({ rowsRead: 0, bytesRead: 0 });
  #reporting = false;

  constructor(report: (totals: UploadTotals) => Promise<unknown>) {
    this.#timer = setInterval(() => this.#beat(report), EVERY_MS);
    this.#timer.unref();
  }

  get totals(): UploadTotals {
    return this.#totals();
  }

  /** From now on the totals come from here. */
  follow(totals: () => UploadTotals): void {
    this.#totals = totals;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #beat(report: (totals: UploadTotals) => Promise<unknown>): void {
    if (this.#reporting) return;
    this.#reporting = true;
    // A sign that hangs must not keep the next from being given, perhaps on a connection that answers.
    Promise.race([report(this.totals), delay(LONGEST_SIGN_MS, undefined, { ref: false })])
      .catch(() => undefined)
      .finally(() => {
        this.#reporting = false;
      });
  }
}
