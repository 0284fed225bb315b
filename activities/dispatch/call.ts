import { setTimeout as delay } from 'node:timers/promises';
import { messageReference } from '../../domain/communications';
import {
  settlePeople,
  type HeldBatch,
  type MarkedPerson,
  type SettleInput,
  type Settlement,
} from '../../prisma/dispatch/messages';
import { blockTokens } from '../../prisma/dispatch/tokens';
import type { OutboundMessage, SendResult } from '../../providers/messaging/port';
import { graceMs, type Turn } from './turn';
import { accountKey } from './pace';

/** The right to begin calls, by this machine's own clocks. */
export interface Lease {
  mayBegin: () => boolean;
}

/** Ended a little before the database's `call_before`, which is counted from a later moment. */
const SAFETY_MS = 250;

/** Counted from before the mark is asked for; both clocks must agree, for either may stand still or jump. */
export function createLease(leaseMs: number): Lease {
  const monotonicEnd = performance.now() + leaseMs - SAFETY_MS;
  const wallEnd = Date.now() + leaseMs - SAFETY_MS;
  return { mayBegin: () => performance.now() < monotonicEnd && Date.now() < wallEnd };
}

export interface MarkedCall {
  markId: string;
  lease: Lease;
  people: readonly MarkedPerson[];
  /** An earlier call of the same messages may have been accepted, so only an answer about the message settles them. */
  isRepeat: boolean;
}

/** What a micro-batch taught about the vendor. */
export type CallReport =
  | { kind: 'fine' }
  | { kind: 'refused' }
  | { kind: 'slower'; waitMs: number }
  | { kind: 'down'; waitMs: number };

/** Hands marked people to the vendor and writes down what became of each. Does not throw for what a vendor does. */
export async function callAndSettle(
  turn: Turn,
  batch: HeldBatch,
  call: MarkedCall,
): Promise<CallReport> {
  const { account, settings } = turn;
  const { messages, settlements } = compose(turn, call.people);
  const results = await account.provider.send(
    messages.map(({ message }) => message),
    { mayBegin: call.lease.mayBegin, requestTimeoutMs: settings.providerTimeoutMs },
  );
  const report = assess(turn, results);
  const retryAtMs = Date.now() + ('waitMs' in report ? report.waitMs : 0);
  messages.forEach(({ position }, i) => {
    const result = results[i] ?? { kind: 'ambiguous', code: 'NO_RESULT' };
    const settlement = settlementOf(turn, position, result, { retryAtMs, isRepeat: call.isRepeat });
    if (settlement === undefined) turn.endedMarks.add(call.markId);
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
  { retryAtMs, isRepeat }: { retryAtMs: number; isRepeat: boolean },
): Settlement | undefined {
  switch (result.kind) {
    case 'accepted':
      return { position, outcome: 'sent', providerId: result.providerId };
    case 'rejected':
      return { position, outcome: 'failed', code: result.code, permanent: result.permanent };
    case 'retryLater': {
      const notBeforeMs = Math.max(retryAtMs, Date.now() + result.afterMs);
      return isRepeat ? undefined : { position, outcome: 'queued', code: result.code, notBeforeMs };
    }
    case 'accountRefused':
    case 'notCalled':
      return isRepeat
        ? undefined
        : { position, outcome: 'queued', code: result.code, notBeforeMs: retryAtMs };
    case 'ambiguous': {
      const { idempotency, lookup } = turn.account.provider.capabilities;
      return idempotency === false && lookup === false
        ? { position, outcome: 'unknown', code: result.code }
        : undefined;
    }
  }
}

const FIRST_BACKOFF_MS = 1_000;
const LONGEST_BACKOFF_MS = 60_000;
/** How long an account that has said "slower" is asked through its bucket, configured rate or not. */
const LIMITED_FOR_MS = 60_000;

/** Reads from the answers whether the vendor wants less, or is not there at all. */
function assess(turn: Turn, results: readonly SendResult[]): CallReport {
  const { account } = turn;
  if (results.length === 0) return { kind: 'fine' };
  if (results.some((each) => each.kind === 'accountRefused')) return { kind: 'refused' };
  const leaseOver = results.every(
    (each) => each.kind === 'notCalled' && each.code === 'LEASE_OVER',
  );
  if (leaseOver) return { kind: 'fine' };
  const slowdowns = results.flatMap((each) => (each.kind === 'retryLater' ? [each.afterMs] : []));
  const reached =
    slowdowns.length > 0 ||
    results.some((each) => each.kind === 'accepted' || each.kind === 'rejected');
  account.failuresInRow = reached ? 0 : account.failuresInRow + 1;
  if (slowdowns.length > 0) return { kind: 'slower', waitMs: Math.max(...slowdowns) };
  if (reached) return { kind: 'fine' };
  return {
    kind: 'down',
    waitMs: Math.min(LONGEST_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** (account.failuresInRow - 1)),
  };
}

/** Tells the account's bucket, which all campaigns and workers share. Not essential: each of them would find out alone. */
async function slowDown(
  { db, account, execution, logger }: Turn,
  report: CallReport,
): Promise<void> {
  if (report.kind === 'fine' || report.kind === 'refused') return;
  logger.warn(
    { executionId: execution.id, vendor: account.provider.name, ...report },
    'the provider holds us up',
  );
  account.limitedUntilMs = Date.now() + LIMITED_FOR_MS;
  const lower = report.kind === 'slower' ? 0.5 : 1;
  await blockTokens(
    db,
    execution.companyId,
    accountKey(account),
    Date.now() + report.waitMs,
    lower,
  ).catch((error: unknown) => logger.warn({ err: error }, 'the bucket could not be told'));
}

/** Tried for as long as the process lives: an acceptance that is not written down is a message that may be sent twice. */
export async function settleUntilDone(
  turn: Turn,
  batch: HeldBatch,
  markId: string | null,
  settlements: readonly Settlement[],
): Promise<void> {
  if (settlements.length === 0) return;
  const { idempotency, lookup } = turn.account.provider.capabilities;
  const input: SettleInput = {
    markId,
    graceMs: graceMs(turn.settings),
    durable: idempotency === false && lookup === false,
    settlements,
  };
  for (let waitMs = 100; ; waitMs = Math.min(5_000, waitMs * 2)) {
    try {
      const { second_ids: secondIds, late } = await settlePeople(turn.db, batch, input);
      if (secondIds > 0 || late > 0) {
        turn.logger.error(
          { executionId: batch.executionId, seq: batch.seq, secondIds, late },
          'acceptances beyond the first',
        );
      }
      return;
    } catch (error) {
      turn.logger.warn(
        { err: error, executionId: batch.executionId, seq: batch.seq },
        'settling again',
      );
      await delay(waitMs);
    }
  }
}
