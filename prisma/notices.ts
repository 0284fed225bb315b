import { randomUUID } from 'node:crypto';
import { messageReference } from '../domain/communications';
import { noticeRefusal, type NoticePurpose } from '../domain/notices';
import type { UserStatus } from '../domain/users';
import type { Prisma } from './generated/client';
import type { TenantTx } from './tenant';

/** An account e-mail: the token that it carries, to whom it goes, and its place in the ledger. */
export interface Notice {
  tokenId: string;
  companyId: string;
  purpose: NoticePurpose;
  /** The encrypted token; null once it was delivered or is of no use any more. */
  pendingDelivery: string | null;
  usedAt: Date | null;
  expiresAt: Date;
  userStatus: UserStatus;
  personName: string;
  email: string;
  companyName: string;
  timeZone: string;
  /** First day of the month in which the token was made, `YYYY-MM-01`. */
  ledgerMonth: string;
}

/** Reads the notice and keeps everybody else from it until the transaction ends; undefined when it is gone. */
export async function lockNotice(tx: TenantTx, tokenId: string): Promise<Notice | undefined> {
  await tx.$executeRaw`SELECT FROM verification_tokens WHERE id = ${tokenId}::uuid FOR UPDATE`;
  const token = await tx.verificationToken.findUnique({
    where: { id: tokenId },
    include: { user: { include: { company: true } } },
  });
  if (token === null) return undefined;
  const { user } = token;
  return {
    tokenId,
    companyId: token.companyId,
    purpose: token.purpose as NoticePurpose,
    pendingDelivery: token.pendingDelivery,
    usedAt: token.usedAt,
    expiresAt: token.expiresAt,
    userStatus: user.status as UserStatus,
    personName: user.name,
    email: user.email,
    companyName: user.company.name,
    timeZone: user.company.timeZone,
    ledgerMonth: `${token.createdAt.toISOString().slice(0, 7)}-01`,
  };
}

/** Our reference of the message, which is also its idempotency key. */
export function noticeReference({ ledgerMonth, tokenId }: Notice): string {
  return messageReference({
    ledgerMonth,
    sourceId: tokenId,
    position: 0,
    step: 0,
    channel: 'email',
  });
}

const keyOf = ({ ledgerMonth, tokenId }: Notice) => ({
  ledgerMonth: new Date(ledgerMonth),
  sourceId: tokenId,
  position: 0,
  step: 0,
  channel: 'email',
});

/** What may be done with a notice now. */
export type NoticeMark =
  /** The caller may call the provider until the lease is over, and settles with this mark. */
  | { kind: 'marked'; markId: string }
  /** It has reached its end; nobody calls. */
  | { kind: 'ended'; state: string }
  /** Somebody may be calling, or has been and never said what came of it. */
  | { kind: 'open'; markId: string; markedAtMs: number; callBeforeMs: number; nowMs: number };

/** Applies the gate and marks the message for a call, if it has no row yet or was put back. Holds after `lockNotice`. */
export async function markNotice(
  tx: TenantTx,
  notice: Notice,
  leaseMs: number,
): Promise<NoticeMark> {
  const key = keyOf(notice);
  const row = await tx.communication.findUnique({
    where: { ledgerMonth_sourceId_position_step_channel: key },
  });
  if (row !== null && row.state !== 'queued' && row.state !== 'sending')
    return { kind: 'ended', state: row.state };
  const now = await databaseClock(tx);
  if (row?.state === 'sending') {
    return {
      kind: 'open',
      markId: row.markId ?? '',
      markedAtMs: row.markedAt?.getTime() ?? now.getTime(),
      callBeforeMs: row.callBefore?.getTime() ?? now.getTime(),
      nowMs: now.getTime(),
    };
  }
  const refusal = noticeRefusal(notice, now);
  if (refusal !== null) {
    await writeRow(tx, notice, { state: 'skipped', reason: refusal, settledAt: now });
    await dropDelivery(tx, notice);
    return { kind: 'ended', state: 'skipped' };
  }
  const markId = randomUUID();
  const marks = { markId, markedAt: now, callBefore: after(now, leaseMs) };
  await writeRow(tx, notice, { state: 'sending', reason: null, ...marks });
  return { kind: 'marked', markId };
}

/** Marks an open message again, for a repeat with the same key; undefined when somebody else was faster. */
export async function remarkNotice(
  tx: TenantTx,
  notice: Notice,
  { fromMarkId, leaseMs }: { fromMarkId: string; leaseMs: number },
): Promise<string | undefined> {
  const markId = randomUUID();
  const now = await databaseClock(tx);
  const { count } = await tx.communication.updateMany({
    where: { ...keyOf(notice), state: 'sending', markId: fromMarkId, settledAt: null },
    data: { markId, callBefore: after(now, leaseMs) },
  });
  return count === 1 ? markId : undefined;
}

export type NoticeSettlement =
  | { outcome: 'sent'; providerId: string }
  | { outcome: 'failed'; code: string; permanent: boolean }
  | { outcome: 'unknown'; code: string }
  /** Surely not called, or surely refused for now: the next attempt marks it again. */
  | { outcome: 'queued'; code: string };

/** Writes down what became of the call, once; an acceptance always, anything else only by the mark that called. */
export async function settleNotice(
  tx: TenantTx,
  notice: Notice,
  markId: string,
  settlement: NoticeSettlement,
): Promise<void> {
  const now = await databaseClock(tx);
  const byMark = settlement.outcome === 'sent' ? {} : { markId, state: 'sending' };
  const { count } = await tx.communication.updateMany({
    where: { ...keyOf(notice), ...byMark, OR: [{ settledAt: null }, { state: 'unknown' }] },
    data: settled(settlement, now),
  });
  if (count === 1 && settlement.outcome !== 'queued') await dropDelivery(tx, notice);
}

function settled(
  settlement: NoticeSettlement,
  now: Date,
): Prisma.CommunicationUncheckedUpdateManyInput {
  const { outcome } = settlement;
  switch (outcome) {
    case 'sent':
      return {
        state: outcome,
        reason: null,
        providerMessageId: settlement.providerId,
        sentAt: now,
        settledAt: now,
      };
    case 'failed':
      return {
        state: outcome,
        reason: settlement.code.slice(0, 120),
        permanent: settlement.permanent,
        failedAt: now,
        settledAt: now,
      };
    case 'unknown':
      return { state: outcome, reason: settlement.code.slice(0, 120), settledAt: now };
    case 'queued':
      return {
        state: outcome,
        reason: settlement.code.slice(0, 120),
        markId: null,
        notBefore: now,
      };
  }
}

async function writeRow(
  tx: TenantTx,
  notice: Notice,
  fields: Pick<Prisma.CommunicationUncheckedCreateInput, 'state' | 'reason'> & {
    markId?: string;
    markedAt?: Date;
    callBefore?: Date;
    settledAt?: Date;
  },
): Promise<void> {
  const { companyId, email: address } = notice;
  const key = keyOf(notice);
  await tx.communication.upsert({
    where: { ledgerMonth_sourceId_position_step_channel: key },
    create: { ...key, companyId, sourceKind: 'notice', address, ...fields },
    update: { address, ...fields },
  });
}

const after = (now: Date, ms: number): Date => new Date(now.getTime() + ms);

/** The token is of no more use here: whoever got it has it, and nobody else shall. */
async function dropDelivery(tx: TenantTx, { tokenId }: Notice): Promise<void> {
  await tx.verificationToken.update({ where: { id: tokenId }, data: { pendingDelivery: null } });
}

async function databaseClock(tx: TenantTx): Promise<Date> {
  const [row] = await tx.$queryRaw<{ now: Date }[]>`SELECT clock_timestamp() AS now`;
  return row?.now ?? new Date();
}
