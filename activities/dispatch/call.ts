import { setTimeout as delay } from 'node:timers/promises';
import { messageReference } from '../../domain/communications';
import { graceAfterLeaseMs } from '../../domain/reconcile';
import {
  settlePeople,
  type HeldBatch,
  type MarkedPerson,
  type SettleInput,
  type Settlement,
} from '../../prisma/dispatch/messages';
import { CODE, type OutboundMessage, type SendResult } from '../../providers/messaging/port';
import { providerBatchSeconds, settleRetries } from '../../telemetry/metrics';
import { traced } from '../../telemetry/traces';
import { assess, slowDown, type CallReport } from './assess';
import { countSettled } from './tally';
import type { Turn } from './turn';

/** The right to begin calls, by this machine's own clocks. */
export interface Lease {
  mayBegin: () => boolean;
}

/** Ended a little before the database's `call_before`, which is counted from a later moment. */
export const SAFETY_MS = 250;

/** Counted from before the mark is asked for; both clocks must agree, for either may stand still or jump. */
export function createLease(leaseMs: number): Lease {
  const monotonicEnd = performance.now() + leaseMs - SAFETY_MS;
  const wallEnd = Date.now() + leaseMs - SAFETY_MS;
  return { mayBegin: () => performance.now() < monotonicEnd && Date.now() < wallEnd };
}

/** What the vendor gives only once it has dealt with a message, or may have. */
const TAKEN: ReadonlySet<SendResult['kind']> = new Set(['accepted', 'rejected', 'ambiguous']);

export interface MarkedCall {
  markId: string;
  lease: Lease;
  people: readonly MarkedPerson[];
  /** An earlier call of the same messages may have been accepted, so only an answer about the message settles them. */
  isRepeat: boolean;
}

/** Hands marked people to the vendor and writes down what became of each. Does not throw for what a vendor does. */
export async function callAndSettle(
  turn: Turn,
  batch: HeldBatch,
  call: MarkedCall,
): Promise<CallReport> {
  const { account, settings } = turn;
  const { messages, settlements } = compose(turn, call.people);
  const ended = account.flow.begin(messages.length);
  const measured = providerBatchSeconds.startTimer({ provider: account.provider.name });
  const span = {
    name: 'provider send',
    kind: 'client',
    attributes: { provider: account.provider.name, messages: messages.length },
  } as const;
  const context = { mayBegin: call.lease.mayBegin, requestTimeoutMs: settings.providerTimeoutMs };
  let results: readonly SendResult[] = [];
  try {
    results = await traced(span, () =>
      account.provider.send(
        messages.map(({ message }) => message),
        context,
      ),
    );
  } finally {
    ended(results.filter(({ kind }) => TAKEN.has(kind)).length);
    measured();
  }
  const endedAtMs = performance.now();
  const report = assess(turn, results);
  const retryInMs = 'waitMs' in report ? report.waitMs : 0;
  messages.forEach(({ position }, i) => {
    const result = results[i] ?? { kind: 'ambiguous', code: 'NO_RESULT' };
    const settlement = settlementOf(turn, position, result, { retryInMs, isRepeat: call.isRepeat });
    if (settlement === undefined) turn.endedMarks.set(call.markId, endedAtMs);
    else settlements.push(settlement);
  });
  await settleUntilDone(turn, batch, call.markId, settlements);
  await slowDown(turn, report);
  return report;
}

function compose(turn: Turn, people: readonly MarkedPerson[]) {
  const { execution } = turn;
  const messages: { position: number; message: OutboundMessage }[] = [];
  const settlements: Settlement[] = [];
  for (const person of people) {
    const { position } = person;
    const composed = turn.compose(person);
    if (!composed.ok) {
      // The audience was assessed with this very message, so this is a defect; the person is not sent a hole.
      settlements.push({
        position,
        outcome: 'failed',
        code: `missing_variable:${composed.missing}`,
        permanent: true,
      });
      continue;
    }
    const key = {
      ledgerMonth: execution.ledgerMonth,
      sourceId: execution.id,
      position,
      step: 0,
      channel: execution.channel,
    };
    messages.push({
      position,
      message: {
        reference: messageReference(key),
        channel: execution.channel,
        to: person.address,
        body: composed.text,
        ...(composed.template === undefined ? {} : { template: composed.template }),
        ...(person.nome === null ? {} : { nome: person.nome }),
        ...(person.cpfCnpj === null ? {} : { cpfCnpj: person.cpfCnpj }),
        ...(person.idcobContrato === null ? {} : { idcobContrato: person.idcobContrato }),
      },
    });
  }
  return { messages, settlements };
}

/**
 * Nothing for a result that proves nothing, where the vendor can be asked again: the row stays open for the reconcile.
 * A repeat that was put off says nothing about the call that it repeats.
 */
function settlementOf(
  turn: Turn,
  position: number,
  result: SendResult,
  { retryInMs, isRepeat }: { retryInMs: number; isRepeat: boolean },
): Settlement | undefined {
  switch (result.kind) {
    case 'accepted':
      return { position, outcome: 'sent', providerId: result.providerId };
    case 'rejected':
      return { position, outcome: 'failed', code: result.code, permanent: result.permanent };
    case 'retryLater':
    case 'accountRefused':
    case 'notCalled': {
      const delayMs = Math.max(retryInMs, result.kind === 'retryLater' ? result.afterMs : 0);
      return isRepeat ? undefined : { position, outcome: 'queued', code: result.code, delayMs };
    }
    case 'ambiguous': {
      const { idempotency, lookup } = turn.account.provider.capabilities;
      const canBeFound =
        result.code !== CODE.keyReused && (idempotency !== false || lookup !== false);
      return canBeFound ? undefined : { position, outcome: 'unknown', code: result.code };
    }
  }
}

/** Tried for as long as the process lives: an acceptance that is not written down is a message that may be sent twice. */
export async function settleUntilDone(
  turn: Turn,
  batch: HeldBatch,
  markId: string | null,
  settlements: readonly Settlement[],
): Promise<void> {
  if (settlements.length === 0) return;
  const { idempotency, lookup, echoesReference } = turn.account.provider.capabilities;
  const input: SettleInput = {
    markId,
    graceMs: graceAfterLeaseMs(turn.settings.providerTimeoutMs),
    durable: idempotency === false && lookup === false,
    keepIds: !echoesReference,
    settlements,
  };
  for (let waitMs = 100; ; waitMs = Math.min(5_000, waitMs * 2)) {
    try {
      const settled = await settlePeople(turn.db, batch, input);
      countSettled(turn.account.provider.name, settlements, settled);
      const { secondIds, late } = settled;
      if (secondIds > 0 || late > 0) {
        turn.logger.error(
          { executionId: batch.executionId, seq: batch.seq, secondIds, late },
          'acceptances beyond the first',
        );
      }
      return;
    } catch (error) {
      settleRetries.inc();
      turn.logger.warn(
        { err: error, executionId: batch.executionId, seq: batch.seq },
        'settling again',
      );
      await delay(waitMs);
    }
  }
}
