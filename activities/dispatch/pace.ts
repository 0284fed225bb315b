import type { WaitReason } from '../../domain/campaigns';
import { throttleDelayMs } from '../../domain/campaign-plans';
import type { Database } from '../../prisma/client';
import type { ExecutionView } from '../../prisma/campaign-executions';
import { returnTokens, takeTokens, type Bucket } from '../../prisma/dispatch/tokens';
import type { ProviderAccount } from '../provider-accounts';

/** How many may be marked now; 0 comes with why and for how long. */
export interface Grant {
  count: number;
  waitMs: number;
  reason: WaitReason;
}

/** The two paces of a campaign: its own throttle, and its account's rate. */
export interface Pace {
  take(): Promise<Grant>;
  /** What the gate or the budget left unused. */
  giveBack(count: number): Promise<void>;
}

/** The bucket of a vendor account, shared by every campaign and worker that uses it. */
export const accountKey = (account: ProviderAccount): string =>
  `credential:${account.credentialId}`;

/** The rate that a vendor without a configured one is asked at after it has said "slower". */
const UNCONFIGURED_RATE = 10_000;
/** For the queue in front of the connections to become shorter. */
const QUEUE_WAIT_MS = 20;
/** The longest queue: whoever pauses hears calls begin for so long, and half a lease is for a vendor that becomes slower. */
const QUEUE_MS = 600;
/** Of what may be under way, so that the connections have work while a part is written down and the next one marked. */
const PARTS = 4;

export function createPace(
  db: Database,
  execution: ExecutionView,
  account: ProviderAccount,
  settings: { microBatch: number; leaseMs: number },
): Pace {
  const { companyId, plan } = execution;
  const rate = plan.ratePerSecond;
  const perLease =
    rate === null
      ? settings.microBatch
      : Math.max(1, Math.floor((rate * settings.leaseMs) / 2_000));
  const throttled = plan.throttle.type !== 'none';
  // A vendor that did not answer is tried with one person, so that an outage costs few a look-up, and fewer their fate.
  const most = (): number =>
    throttled || account.failuresInRow > 0 ? 1 : Math.min(settings.microBatch, perLease);
  const queueMs = Math.min(QUEUE_MS, settings.leaseMs / 2);
  const room = (): number =>
    Math.min(account.flow.room(queueMs), Math.ceil(account.flow.window(queueMs) / PARTS));

  const throttle = (): Bucket => ({
    companyId,
    key: `execution:${execution.id}`,
    ratePerSecond: 1_000,
    burst: 1,
    spacingMs: throttleDelayMs(plan.throttle, Math.random()),
  });
  // A tenth of a second's worth at once, so that no second sees more than 1.1 times the rate.
  const accountBucket = (): Bucket => {
    const ratePerSecond = rate ?? UNCONFIGURED_RATE;
    return {
      companyId,
      key: accountKey(account),
      ratePerSecond,
      burst: Math.max(1, ratePerSecond / 10),
      spacingMs: 0,
    };
  };
  const asksAccount = (): boolean => rate !== null || account.limitedUntilMs > Date.now();

  return {
    async take() {
      const want = Math.min(most(), room());
      if (want === 0) return { count: 0, waitMs: QUEUE_WAIT_MS, reason: 'rate_limit' };
      if (throttled) {
        const { granted, waitMs } = await takeTokens(db, throttle(), 1);
        if (granted === 0) return { count: 0, waitMs, reason: 'throttle' };
      }
      if (!asksAccount()) return { count: want, waitMs: 0, reason: 'rate_limit' };
      const { granted, waitMs } = await takeTokens(db, accountBucket(), want);
      if (granted === 0 && throttled) await returnTokens(db, throttle(), 1);
      return {
        count: granted,
        waitMs,
        reason: account.failuresInRow > 0 ? 'provider_down' : 'rate_limit',
      };
    },
    async giveBack(count) {
      if (count <= 0) return;
      if (throttled) await returnTokens(db, throttle(), count);
      if (asksAccount()) await returnTokens(db, accountBucket(), count);
    },
  };
}
