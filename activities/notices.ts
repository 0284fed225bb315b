import { RegenteError } from '../domain/errors';
import { noticeSubject, noticeText } from '../domain/notices';
import { graceAfterLeaseMs, reconcileStep } from '../domain/reconcile';
import type { Database } from '../prisma/client';
import type { Encryption } from '../prisma/encryption';
import {
  lockNotice,
  markNotice,
  noticeReference,
  remarkNotice,
  settleNotice,
  type Notice,
  type NoticeMark,
  type NoticeSettlement,
} from '../prisma/notices';
import { withTenant } from '../prisma/tenant';
import type { MessagingProvider, SendResult } from '../providers/messaging/port';
import type { Logger } from '../telemetry';
import { notices } from '../telemetry/metrics';
import { createLease, type Lease } from './dispatch/call';

export interface NoticeDeps {
  db: Database;
  encryption: Encryption;
  /** The account that carries account mail. Throws CONFIGURATION when none is configured. */
  openProvider: () => MessagingProvider;
  publicUrl: string;
  fromName: string;
  logger: Logger;
  leaseMs?: number;
  requestTimeoutMs?: number;
}

export interface SendNoticeInput {
  companyId: string;
  tokenId: string;
}

/** `nothing`: it has ended before, or the person is gone. */
export interface SendNoticeResult {
  outcome: 'sent' | 'failed' | 'skipped' | 'unknown' | 'nothing';
}

const RETRY_MS = 5_000;
/** How often it is looked whether there is a provider by now. */
const UNCONFIGURED_MS = 300_000;

export function createNoticeActivities(deps: NoticeDeps) {
  const { leaseMs = 4_000, requestTimeoutMs = 10_000 } = deps;
  const sender: Sender = { ...deps, leaseMs, requestTimeoutMs, provider: undefined };
  return {
    /**
     * Sends the e-mail of an invitation or a password reset: one ledger row, marked before the call and settled after
     * it, so that it is sent once whatever ends in between. Throws UNAVAILABLE where a retry goes on, also while nobody
     * has configured a provider: once its token has expired, a try writes down that it was skipped.
     */
    async sendNotice({ companyId, tokenId }: SendNoticeInput): Promise<SendNoticeResult> {
      const lease = createLease(leaseMs);
      const found = await withTenant(deps.db, companyId, async (tx) => {
        const notice = await lockNotice(tx, tokenId);
        if (notice === undefined) return undefined;
        return { notice, mark: await markNotice(tx, notice, leaseMs) };
      });
      if (found === undefined) return { outcome: 'nothing' };
      const { notice, mark } = found;
      switch (mark.kind) {
        case 'ended':
          return { outcome: mark.state === 'skipped' ? 'skipped' : 'nothing' };
        case 'marked':
          return call(sender, notice, { markId: mark.markId, lease, isRepeat: false });
        case 'open':
          return reconcile(sender, notice, mark);
      }
    },
  };
}

interface Sender extends Required<NoticeDeps> {
  provider: MessagingProvider | undefined;
}

function providerOf(sender: Sender): MessagingProvider {
  try {
    sender.provider ??= sender.openProvider();
    return sender.provider;
  } catch (error) {
    if (!(error instanceof RegenteError) || error.code !== 'CONFIGURATION') throw error;
    throw again('not_configured', UNCONFIGURED_MS);
  }
}

interface Call {
  markId: string;
  lease: Lease;
  /** An earlier call may have been accepted, so only an answer about the message settles it. */
  isRepeat: boolean;
}

async function call(sender: Sender, notice: Notice, begun: Call): Promise<SendNoticeResult> {
  const message = {
    reference: noticeReference(notice),
    channel: 'email',
    to: notice.email,
    subject: noticeSubject(notice),
  } as const;
  let result: SendResult | undefined;
  try {
    const body = compose(sender, notice);
    const context = {
      mayBegin: begun.lease.mayBegin,
      requestTimeoutMs: sender.requestTimeoutMs,
    };
    [result] = await providerOf(sender).send(
      [{ ...message, body, nome: notice.personName }],
      context,
    );
  } catch (error) {
    // Neither a missing configuration nor an unreadable token has called anybody.
    if (!begun.isRepeat)
      await settle(sender, notice, begun.markId, { outcome: 'queued', code: 'not_called' });
    throw error;
  }
  return conclude(sender, notice, begun, result ?? { kind: 'ambiguous', code: 'NO_RESULT' });
}

function compose({ encryption, publicUrl, fromName }: Sender, notice: Notice): string {
  const { pendingDelivery, companyId, tokenId } = notice;
  const token = encryption.decrypt(pendingDelivery ?? '', companyId, tokenId);
  return noticeText({ ...notice, publicUrl, fromName, token });
}

async function conclude(
  sender: Sender,
  notice: Notice,
  { markId, isRepeat }: Call,
  result: SendResult,
): Promise<SendNoticeResult> {
  switch (result.kind) {
    case 'accepted':
      return settle(sender, notice, markId, { outcome: 'sent', providerId: result.providerId });
    case 'rejected': {
      const { code, permanent } = result;
      sender.logger.warn({ tokenId: notice.tokenId, code }, 'an account mail was refused');
      return settle(sender, notice, markId, { outcome: 'failed', code, permanent });
    }
    case 'retryLater':
    case 'notCalled':
    case 'accountRefused': {
      if (!isRepeat) await settle(sender, notice, markId, { outcome: 'queued', code: result.code });
      throw again(result.code, result.kind === 'retryLater' ? result.afterMs : RETRY_MS);
    }
    case 'ambiguous':
      // The row stays open; the next attempt asks what the provider's promises allow.
      throw again(result.code, sender.leaseMs + graceAfterLeaseMs(sender.requestTimeoutMs));
  }
}

/** What becomes of a row whose caller never said what came of it (ARCHITECTURE.md, After a crash). */
async function reconcile(
  sender: Sender,
  notice: Notice,
  open: Extract<NoticeMark, { kind: 'open' }>,
): Promise<SendNoticeResult> {
  const { requestTimeoutMs, leaseMs } = sender;
  const quietAtMs = open.callBeforeMs + graceAfterLeaseMs(requestTimeoutMs);
  if (open.nowMs < quietAtMs) throw again('IN_FLIGHT', quietAtMs - open.nowMs);
  const provider = providerOf(sender);
  const step = reconcileStep(
    // The engine's retries are paced and bounded already, so the tries are not counted here.
    {
      markedAtMs: open.markedAtMs,
      callBeforeMs: open.callBeforeMs,
      endedAtMs: quietAtMs,
      credentialVersion: 0,
      tries: 1,
    },
    {
      promises: provider.capabilities,
      credentialVersion: 0,
      nowMs: open.nowMs,
      mayRepeat: true,
    },
  );
  switch (step.kind) {
    case 'repeat': {
      // Used or replaced meanwhile: there is nothing left to repeat.
      if (notice.pendingDelivery === null)
        return settle(sender, notice, open.markId, { outcome: 'unknown', code: 'token_gone' });
      const lease = createLease(leaseMs);
      const fromMarkId = open.markId;
      const markId = await withTenant(sender.db, notice.companyId, (tx) =>
        remarkNotice(tx, notice, { fromMarkId, leaseMs }),
      );
      if (markId === undefined) throw again('IN_FLIGHT', RETRY_MS);
      return call(sender, notice, { markId, lease, isRepeat: true });
    }
    case 'lookup': {
      if (step.notBeforeMs > open.nowMs) throw again('LOOKUP', step.notBeforeMs - open.nowMs);
      return lookUp(sender, notice, open.markId);
    }
    case 'unknown':
      return settle(sender, notice, open.markId, { outcome: 'unknown', code: 'no_answer' });
  }
}

async function lookUp(sender: Sender, notice: Notice, markId: string): Promise<SendNoticeResult> {
  const provider = providerOf(sender);
  const [answer] = (await provider.lookup?.([noticeReference(notice)])) ?? [];
  if (answer?.kind === 'found') {
    const { providerId } = answer;
    return settle(sender, notice, markId, { outcome: 'sent', providerId });
  }
  if (answer?.kind !== 'notFound') throw again('LOOKUP', RETRY_MS);
  const { lookup } = provider.capabilities;
  if (lookup === false || !lookup.authoritative)
    return settle(sender, notice, markId, { outcome: 'unknown', code: 'not_found' });
  await settle(sender, notice, markId, { outcome: 'queued', code: 'not_found' });
  throw again('not_found', 0);
}

async function settle(
  { db }: Sender,
  notice: Notice,
  markId: string,
  settlement: NoticeSettlement,
): Promise<SendNoticeResult> {
  await withTenant(db, notice.companyId, (tx) => settleNotice(tx, notice, markId, settlement));
  notices.inc({ state: settlement.outcome });
  return { outcome: settlement.outcome === 'queued' ? 'nothing' : settlement.outcome };
}

/** The engine tries again, and finds the row as it was left. */
function again(code: string, retryAfterMs: number): RegenteError {
  return new RegenteError('UNAVAILABLE', `The account mail has to wait: ${code}.`, {
    retryAfterMs: Math.max(1, Math.ceil(retryAfterMs)),
    details: { code },
  });
}
