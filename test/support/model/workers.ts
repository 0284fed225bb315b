import { randomUUID } from 'node:crypto';
import { claimBatch, closeBatch } from '../../../prisma/dispatch/batches';
import {
  listOpenRows,
  markPeople,
  remarkPeople,
  settlePeople,
  type HeldBatch,
  type Settlement,
} from '../../../prisma/dispatch/messages';
import { createRandom, type Random } from '../random';
import { markInput, type Field, type Race } from '../races';
import { ModelVendor } from './vendor';

/** Calls made under one mark, with answers that nobody has written down yet, or that were written down before. */
interface Call {
  batch: HeldBatch;
  markId: string;
  settlements: Settlement[];
}

export interface ModelOptions {
  seed: number;
  /** The vendor keeps idempotency keys; without, nothing can be asked and silence is `unknown`. */
  keyed: boolean;
  /** Several steps at once. */
  parallel: boolean;
  frequencyCap?: number;
}

/** Any number of workers, alive or long fenced: whoever has ever claimed a batch may still do anything with it. */
export class ModelWorkers {
  readonly log: string[] = [];
  readonly random: Random;
  races: Race[] = [];
  claims: HeldBatch[] = [];
  calls: Call[] = [];
  readonly vendor: ModelVendor;

  constructor(
    readonly field: Field,
    readonly options: ModelOptions,
  ) {
    this.random = createRandom(options.seed);
    this.vendor = new ModelVendor(this.random, options.keyed);
  }

  note(text: string): void {
    this.log.push(text);
  }

  async claim(): Promise<void> {
    const race = this.random.pick(this.races);
    const lane = this.random.below(2);
    const claim = await claimBatch(this.field.db, race, lane, 0);
    this.note(`claim ${this.name(race)} lane ${lane}: ${JSON.stringify(claim)}`);
    const { companyId, executionId } = race;
    if (claim.outcome === 'claimed')
      this.claims.push({ companyId, executionId, seq: claim.seq, attempt: claim.attempt });
  }

  name({ executionId }: { executionId: string }): string {
    return this.races[0]?.executionId === executionId ? 'A' : 'B';
  }

  /** Any claim, however old: most are fenced by now. */
  anyClaim(): HeldBatch | undefined {
    const { length } = this.claims;
    if (length === 0) return undefined;
    return this.random.chance(0.7)
      ? this.claims[Math.max(0, length - 1 - this.random.below(3))]
      : this.random.pick(this.claims);
  }

  async mark(): Promise<void> {
    const batch = this.anyClaim();
    if (batch === undefined) return;
    const input = markInput({
      limit: 1 + this.random.below(5),
      leaseMs: 1,
      badRow: this.random.chance(0.02),
      closedZones: this.random.chance(0.1)
        ? [{ zone: 'America/Sao_Paulo', opensAtMs: Date.now() + this.random.below(40) }]
        : [],
    });
    const marked = await markPeople(this.field.db, batch, input);
    const positions = marked.outcome === 'marked' ? marked.people.map((one) => one.position) : [];
    this.note(
      `mark ${this.name(batch)}${batch.seq}/${batch.attempt}: ${marked.outcome} ${positions.join()}`,
    );
    this.callAll(batch, input.markId, positions, false);
  }

  callAll(batch: HeldBatch, markId: string, positions: number[], isRepeat: boolean): void {
    if (positions.length === 0) return;
    const settlements = positions.flatMap((position) =>
      this.vendor.call(batch, position, isRepeat),
    );
    // Now and then the caller dies here, and nobody ever hears of the answers.
    if (this.vendor.reliable || this.random.chance(0.85))
      this.calls.push({ batch, markId, settlements });
  }

  /** Writes a call's answers down: all or some, now or late, once or again. */
  async settle(): Promise<void> {
    if (this.calls.length === 0) return;
    const index = this.random.below(this.calls.length);
    const call = this.calls[index]!;
    const some = this.random.chance(0.8)
      ? call.settlements
      : call.settlements.filter(() => this.random.chance(0.5));
    if (this.random.chance(0.8)) this.calls.splice(index, 1);
    const { batch, markId } = call;
    const result = await settlePeople(this.field.db, batch, {
      markId,
      graceMs: 0,
      durable: this.random.chance(0.5),
      keepIds: this.random.chance(0.5),
      settlements: some,
    });
    const what = some.map(({ position, outcome }) => `${position}:${outcome}`).join();
    this.note(
      `settle ${this.name(batch)}${batch.seq}/${batch.attempt} ${what}: ${JSON.stringify(result)}`,
    );
  }

  /** What the holder of a claim, or somebody who was it once, does about open rows. */
  async reconcile(batch = this.anyClaim()): Promise<void> {
    if (batch === undefined) return;
    const { db } = this.field;
    const { rows } = await listOpenRows(db, batch);
    if (rows.length === 0) return;
    if (!this.options.keyed) {
      const settlements = rows.map(({ position }): Settlement => ({
        position,
        outcome: 'unknown',
        code: 'no_answer',
      }));
      const input = { markId: null, graceMs: 0, durable: true, keepIds: true, settlements };
      const { changed } = await settlePeople(db, batch, input);
      this.note(`give up ${this.name(batch)}${batch.seq}/${batch.attempt}: ${changed}`);
      return;
    }
    const markId = randomUUID();
    const positions = rows.map(({ position }) => position);
    const marked = await remarkPeople(db, batch, {
      markId,
      positions,
      endedMarks: [],
      leaseMs: 1,
      graceMs: 0,
    });
    const people = marked.outcome === 'marked' ? marked.people.map((one) => one.position) : [];
    this.note(
      `repeat ${this.name(batch)}${batch.seq}/${batch.attempt}: ${marked.outcome} ${people.join()}`,
    );
    this.callAll(batch, markId, people, true);
  }

  async close(batch = this.anyClaim()): Promise<void> {
    if (batch === undefined) return;
    const parkMs = this.random.chance(0.5) ? this.random.below(20) : null;
    const outcome = await closeBatch(this.field.db, batch, { ...batch, parkMs });
    this.note(`close ${this.name(batch)}${batch.seq}/${batch.attempt}: ${outcome}`);
  }
}
