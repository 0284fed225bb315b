import { Decimal } from 'decimal.js';
import type { Verdict } from './verdict';

/** What one scenario has seen; printed as one JSON line. */
export interface ScenarioLine {
  scenario: string;
  seed: number;
  /** People of all its campaigns; the control contacts are beside them. */
  recipients: number;
  sent: number;
  failed: number;
  skipped: number;
  /** Control contacts among them. */
  unknown: number;
  /** Those at a vendor with neither keys nor a look-up, beside them. */
  unknownAllowed: number;
  cancelled: number;
  lost: number;
  duplicated: number;
  overspentCents: number;
  /** Calls that the vendor has read after the answer PAUSED, or after the end of a cancel. */
  sentAfterPause: number;
  /** The longest from the end of a fault to the next message that the vendor took. */
  recoveredSeconds: number;
  seconds: number;
  /** How often the fault has struck while messages were being sent. */
  hits: number;
  notes?: Record<string, number | string>;
  /** Promises that did not hold; a scenario without it has passed. */
  broken?: string[];
}

export interface SummaryLine {
  scenarios: number;
  lost: number;
  duplicated: number;
  overspentCents: number;
  sentAfterPause: number;
  /** At vendors that can be asked: nobody may be. */
  unknown: number;
  /** At vendors with neither keys nor a look-up, where it is the honest answer. */
  unknownAllowed: number;
  recoveredSecondsMax: number;
  broken: number;
}

/** Collects what a scenario sees. */
export class Score {
  readonly broken: string[] = [];
  readonly notes: Record<string, number | string> = {};
  hits = 0;
  sentAfterPause = 0;
  #people = { recipients: 0, sent: 0, failed: 0, skipped: 0, unknown: 0, cancelled: 0 };
  #unknownAllowed = 0;
  #lost = 0;
  #duplicated = 0;
  #overspent = new Decimal(0);
  #recoveredMs = 0;

  breaks(promise: string): void {
    if (!this.broken.includes(promise)) this.broken.push(promise);
  }

  holds(promise: string, isKept: boolean): void {
    if (!isKept) this.breaks(promise);
  }

  recovered(ms: number): void {
    this.#recoveredMs = Math.max(this.#recoveredMs, ms);
  }

  lose(people: number): void {
    this.#lost += people;
  }

  overspend(amount: Decimal): void {
    if (amount.gt(0)) this.#overspent = this.#overspent.add(amount);
  }

  /** @param unknownAllowed the vendor has neither keys nor a look-up */
  take({ counts, fish, lost, duplicated, wrong }: Verdict, unknownAllowed: boolean): void {
    for (const key of PEOPLE) this.#people[key] += counts[key];
    const unknown = counts.unknown + fish.unknown;
    this.#people.unknown += fish.unknown;
    if (unknownAllowed) this.#unknownAllowed += unknown;
    this.#lost += lost;
    this.#duplicated += duplicated;
    for (const each of wrong) this.breaks(each);
    this.holds('nobody is unknown at a vendor that can be asked', unknownAllowed || unknown === 0);
  }

  line(scenario: string, seed: number, elapsedMs: number): ScenarioLine {
    const overspentCents = this.#overspent.mul(100).ceil().toNumber();
    this.holds('nobody is lost', this.#lost === 0);
    this.holds('not one cent over budget', overspentCents === 0);
    this.holds('no call begins after PAUSED', this.sentAfterPause === 0);
    this.holds('the fault struck while messages were being sent', this.hits > 0);
    return {
      scenario,
      seed,
      ...this.#people,
      unknown: this.#people.unknown - this.#unknownAllowed,
      unknownAllowed: this.#unknownAllowed,
      lost: this.#lost,
      duplicated: this.#duplicated,
      overspentCents,
      sentAfterPause: this.sentAfterPause,
      recoveredSeconds: seconds(this.#recoveredMs),
      seconds: seconds(elapsedMs),
      hits: this.hits,
      ...(Object.keys(this.notes).length === 0 ? {} : { notes: this.notes }),
      ...(this.broken.length === 0 ? {} : { broken: this.broken }),
    };
  }
}

const PEOPLE = ['recipients', 'sent', 'failed', 'skipped', 'unknown', 'cancelled'] as const;

const seconds = (ms: number): number => Math.round(ms / 100) / 10;

export function summarize(lines: readonly ScenarioLine[]): SummaryLine {
  const sum = (read: (line: ScenarioLine) => number): number =>
    lines.reduce((total, line) => total + read(line), 0);
  return {
    scenarios: lines.length,
    lost: sum((line) => line.lost),
    duplicated: sum((line) => line.duplicated),
    overspentCents: sum((line) => line.overspentCents),
    sentAfterPause: sum((line) => line.sentAfterPause),
    unknown: sum((line) => line.unknown),
    unknownAllowed: sum((line) => line.unknownAllowed),
    recoveredSecondsMax: Math.max(0, ...lines.map((line) => line.recoveredSeconds)),
    broken: lines.filter((line) => line.broken !== undefined).length,
  };
}
