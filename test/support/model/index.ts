import { RegenteError } from '../../../domain/errors';
import { checkEnd, inFlightForMs, readExecution } from '../../../prisma/campaign-executions';
import { applyDueEvents, storeEvents } from '../../../prisma/delivery-events';
import { cancelBatch, claimBatch, closeBatch } from '../../../prisma/dispatch/batches';
import {
  listOpenRows,
  markPeople,
  settlePeople,
  type Settlement,
} from '../../../prisma/dispatch/messages';
import { withTenant } from '../../../prisma/tenant';
import { query } from '../database';
import { openTestExecution, createScene } from '../executions';
import { markInput, move, type Race } from '../races';
import { decide } from '../unknowns';
import { ModelWorkers } from './workers';

export type { ModelOptions } from './workers';

const RECIPIENTS = 24;

/**
 * Two campaigns with one budget and the same people, and any number of workers, alive or long fenced, that do anything
 * that the dispatch can do, in any order, with answers that come late, twice or never.
 */
export class Model extends ModelWorkers {
  async open(): Promise<void> {
    const { field, options } = this;
    const scene = await createScene(field, { budget: '1.00' });
    for (let i = 0; i < 2; i += 1) {
      const max = options.frequencyCap;
      const executionId = await openTestExecution(field, scene, {
        recipients: RECIPIENTS,
        lanes: 2,
        batchSize: 7,
        frequencyCap: max === undefined ? null : { max, periodHours: 1 },
      });
      const race = { companyId: scene.companyId, executionId, scene };
      await query(
        field.adminUrl,
        `UPDATE campaign_recipients r SET units = 1 + position % 3, skip_reason = CASE position WHEN 3 THEN 'missing_variable' END
         FROM campaign_executions e WHERE e.id = $1 AND r.audience_id = e.audience_id`,
        [executionId],
      );
      await move(field.db, race, 'start');
      this.races.push(race);
    }
  }

  /** One random step, or a few at once. */
  async step(): Promise<void> {
    const steps = this.options.parallel && this.random.chance(0.4) ? 2 + this.random.below(3) : 1;
    await Promise.all(Array.from({ length: steps }, () => this.#one()));
  }

  async #one(): Promise<void> {
    const draw = this.random.next();
    if (draw < 0.14) return this.claim();
    if (draw < 0.4) return this.mark();
    if (draw < 0.62) return this.settle();
    if (draw < 0.72) return this.reconcile();
    if (draw < 0.8) return this.close();
    if (draw < 0.88) return this.#event();
    if (draw < 0.92) return this.#decide();
    if (draw < 0.97) return this.#control();
    return this.#world();
  }

  async #event(): Promise<void> {
    const { db } = this.field;
    const { scene, companyId } = this.races[0]!;
    const route = { companyId, credentialId: scene.credentialId, provider: 'sandbox' };
    await storeEvents(db, route, this.vendor.events());
    const { picked } = await applyDueEvents(db, 100);
    this.note(`events: ${picked}`);
  }

  async #control(): Promise<void> {
    const { db } = this.field;
    // Who is paused is seldom left so: little happens meanwhile.
    const states = await Promise.all(this.races.map((race) => this.stateOf(race)));
    const paused = this.races.find((_, i) => states[i] !== 'PROCESSING');
    const race = paused ?? this.random.pick(this.races);
    const state = await this.stateOf(race);
    this.note(`control ${this.name(race)} in ${state}`);
    try {
      if (state === 'PROCESSING') await move(db, race, 'pause');
      else if (state === 'PAUSING') await this.#finishPause(race);
      else if (state === 'PAUSED') await move(db, race, 'resume');
    } catch (error) {
      // Two at once: one of them is late.
      if (!(error instanceof RegenteError) || error.code !== 'CONFLICT') throw error;
    }
  }

  async #finishPause(race: Race): Promise<void> {
    const { db } = this.field;
    const { version, waitMs } = await withTenant(db, race.companyId, async (tx) => ({
      version: (await readExecution(tx, race.executionId)).controlVersion,
      waitMs: await inFlightForMs(tx, race.executionId),
    }));
    if (waitMs > 0) return;
    await move(db, race, 'paused', version);
  }

  /** A person asks the vendor about somebody in `unknown`, and decides by the answer. */
  async #decide(): Promise<void> {
    const race = this.random.pick(this.races);
    const unknown = await query<{ position: number }>(
      this.field.adminUrl,
      `SELECT position FROM communications WHERE source_id = $1 AND state = 'unknown' ORDER BY 1`,
      [race.executionId],
    );
    if (unknown.length === 0) return;
    const { position } = this.random.pick(unknown);
    const truth = this.random.pick(['failed', 'again'] as const);
    const as = this.vendor.hasTaken(race, position) ? 'sent' : truth;
    const only = { executionId: race.executionId, positions: [position] };
    const { decided } = await decide(this.field, race, as, { only });
    this.note(`decide ${this.name(race)} ${position} ${as}: ${decided}`);
  }

  /** Money comes in, people are blocked. */
  async #world(): Promise<void> {
    const { scene } = this.races[0]!;
    if (this.random.chance(0.6)) {
      await query(this.field.adminUrl, 'UPDATE budgets SET budget = budget + 0.35 WHERE id = $1', [
        scene.budgetId,
      ]);
      this.note('0.35 more');
    } else {
      const phone = `+5511${900_000_000 + this.random.below(RECIPIENTS)}`;
      await query(
        this.field.adminUrl,
        'INSERT INTO blocklist_entries (company_id, phone) VALUES ($1, $2) ON CONFLICT DO NOTHING',
        [scene.companyId, phone],
      );
      this.note(`block ${phone}`);
    }
  }

  async stateOf(race: Race): Promise<string> {
    const { state } = await withTenant(this.field.db, race.companyId, (tx) =>
      readExecution(tx, race.executionId),
    );
    return state;
  }

  /** From here on the vendor takes everything, there is money, and somebody works until everybody has a final state. */
  async finish(): Promise<void> {
    this.vendor.reliable = true;
    const { scene } = this.races[0]!;
    await query(this.field.adminUrl, 'UPDATE budgets SET budget = 1000 WHERE id = $1', [
      scene.budgetId,
    ]);
    for (const race of this.races) {
      await this.#resume(race);
      for (let lane = 0; lane < 2; lane += 1) await this.#workOff(race, lane);
      await this.#end(race, 'finish');
    }
  }

  async #resume(race: Race): Promise<void> {
    const state = await this.stateOf(race);
    if (state === 'PAUSING') await this.#finishPause(race);
    if (state !== 'PROCESSING') await move(this.field.db, race, 'resume');
  }

  async #workOff(race: Race, lane: number): Promise<void> {
    for (let turns = 0; turns < 200; turns += 1) {
      const claim = await claimBatch(this.field.db, race, lane, 0);
      if (claim.outcome === 'done') return;
      if (claim.outcome === 'waiting') {
        await new Promise((resolve) => setTimeout(resolve, claim.waitMs + 1));
        continue;
      }
      if (claim.outcome !== 'claimed') throw new Error(`the lane is ${claim.outcome}`);
      const { companyId, executionId } = race;
      const batch = { companyId, executionId, seq: claim.seq, attempt: claim.attempt };
      await this.reconcile(batch);
      const input = markInput({ leaseMs: 1 });
      const marked = await markPeople(this.field.db, batch, input);
      if (marked.outcome === 'marked')
        this.callAll(
          batch,
          input.markId,
          marked.people.map(({ position }) => position),
          false,
        );
      for (const { markId, settlements } of this.calls.filter((call) => call.batch === batch))
        await settlePeople(this.field.db, batch, {
          markId,
          graceMs: 0,
          durable: true,
          keepIds: true,
          settlements,
        });
      await closeBatch(this.field.db, batch, { ...batch, parkMs: 1 });
    }
    throw new Error('a lane never gets done');
  }

  /** Everybody not reached is cancelled; what is under way is given up or found out. */
  async cancel(): Promise<void> {
    const { db } = this.field;
    for (const race of this.races) {
      await move(db, race, 'cancel');
      for (let steps = 0; ; steps += 1) {
        if (steps > 200) throw new Error('the cancelling never ends');
        const step = await cancelBatch(db, race, 0, 'cancelled');
        if (step.outcome === 'done') break;
        if (step.outcome === 'stopped') throw new Error('the cancelling was stopped');
        if (step.outcome === 'closed') continue;
        const batch = { ...race, seq: step.seq, attempt: step.attempt };
        const { rows } = await listOpenRows(db, batch);
        const settlements = rows.map(({ position }): Settlement => ({
          position,
          outcome: 'unknown',
          code: 'no_answer',
        }));
        await settlePeople(db, batch, {
          markId: null,
          graceMs: 0,
          durable: true,
          keepIds: true,
          settlements,
        });
        await closeBatch(db, batch, { ...batch });
      }
      await this.#end(race, 'cancelled');
    }
  }

  async #end(race: Race, verb: 'finish' | 'cancelled'): Promise<void> {
    const { db } = this.field;
    const { complete } = await withTenant(db, race.companyId, (tx) =>
      checkEnd(tx, race.executionId),
    );
    expect(complete).toBe(true);
    await move(db, race, verb);
  }

  /** After the end: what has been on its way for so long arrives, all of it, in any order. */
  async arriveLate(): Promise<void> {
    while (this.calls.length > 0) await this.settle();
    await query(this.field.adminUrl, 'UPDATE webhook_inbox SET next_attempt_at = now()');
    await applyDueEvents(this.field.db, 1_000);
  }
}
