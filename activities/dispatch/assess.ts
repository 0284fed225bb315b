import { blockTokens } from '../../prisma/dispatch/tokens';
import { CODE, type SendResult } from '../../providers/messaging/port';
import { providerHolds } from '../../telemetry/metrics';
import { accountKey } from './pace';
import type { Turn } from './turn';

/** What a micro-batch taught about the vendor. */
export type CallReport =
  | { kind: 'fine' }
  /** The vendor refuses the account itself. */
  | { kind: 'refused' }
  /** The account was opened anew with another config; this one sends nothing any more. */
  | { kind: 'replaced' }
  | { kind: 'slower'; waitMs: number }
  | { kind: 'down'; waitMs: number };

const FIRST_BACKOFF_MS = 1_000;
const LONGEST_BACKOFF_MS = 60_000;
/** How long an account that has said "slower" is asked through its bucket, configured rate or not. */
const LIMITED_FOR_MS = 60_000;
/** "Not now" of a vendor that is not there, as opposed to one that is asked too often. */
const DOWN_CODES: ReadonlySet<string> = new Set([CODE.unavailable, 'HTTP_503']);
/** The codes of the network: refused, reset, unresolved. */
const NETWORK_CODE = /^(E[A-Z_]{3,}|UND_ERR_\w+)$/;

/** Whether the code of a message that was put back says that the vendor was not there. */
export const isOutage = (code: string): boolean =>
  DOWN_CODES.has(code) || NETWORK_CODE.test(code) || code.startsWith('HTTP_5');

/** Reads from the answers whether the vendor wants less, or is not there at all. */
export function assess({ account }: Turn, results: readonly SendResult[]): CallReport {
  if (results.some((each) => each.kind === 'accountRefused')) return { kind: 'refused' };
  if (results.some((each) => each.kind === 'notCalled' && each.code === CODE.closed))
    return { kind: 'replaced' };
  // A lease that was over says nothing about the vendor.
  const told = results.filter((each) => each.kind !== 'notCalled' || each.code !== CODE.leaseOver);
  if (told.length === 0) return { kind: 'fine' };
  const slowdowns: number[] = [];
  const outages: number[] = [];
  for (const each of told) {
    if (each.kind === 'retryLater')
      (DOWN_CODES.has(each.code) ? outages : slowdowns).push(each.afterMs);
  }
  const reached =
    slowdowns.length > 0 ||
    told.some((each) => each.kind === 'accepted' || each.kind === 'rejected');
  if (reached) {
    account.failuresInRow = 0;
    account.restsUntilMs = 0;
  }
  if (slowdowns.length > 0) return { kind: 'slower', waitMs: Math.max(...slowdowns) };
  if (!reached) return { kind: 'down', waitMs: Math.max(restMs(account), ...outages) };
  return outages.length > 0 ? { kind: 'down', waitMs: Math.max(...outages) } : { kind: 'fine' };
}

/**
 * For how long the account is left alone after a failure: 1, 2, 4 … seconds. What ends in such a rest began before it,
 * side by side with the call that led to it, so it is the same failure and not the next.
 */
function restMs(account: Turn['account']): number {
  const now = Date.now();
  if (now >= account.restsUntilMs) {
    account.failuresInRow += 1;
    const backoffMs = FIRST_BACKOFF_MS * 2 ** (account.failuresInRow - 1);
    account.restsUntilMs = now + Math.min(LONGEST_BACKOFF_MS, backoffMs);
  }
  return account.restsUntilMs - now;
}

/** Tells the account's bucket, which all campaigns and workers share. Not essential: each of them would find out alone. */
export async function slowDown(
  { db, account, execution, logger }: Turn,
  report: CallReport,
): Promise<void> {
  if (report.kind === 'fine') return;
  providerHolds.inc({ provider: account.provider.name, kind: report.kind });
  if (report.kind !== 'slower' && report.kind !== 'down') return;
  const { kind, waitMs } = report;
  logger.warn(
    { executionId: execution.id, vendor: account.provider.name, kind, waitMs },
    'the provider holds us up',
  );
  account.limitedUntilMs = Date.now() + LIMITED_FOR_MS;
  const lower = kind === 'slower' ? 0.5 : 1;
  await blockTokens(db, execution.companyId, accountKey(account), waitMs, lower).catch(
    (error: unknown) => logger.warn({ err: error }, 'the bucket could not be told'),
  );
}
