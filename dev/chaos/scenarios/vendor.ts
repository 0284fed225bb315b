import { setTimeout as delay } from 'node:timers/promises';
import type { WaitReason } from '../../../domain/campaigns';
import type { SettingsPatch } from '../../sandbox/settings';
import type { SandboxTotals } from '../../sandbox/world';
import { launch, untilFinished, type Launched, type Office } from '../campaign';
import {
  look,
  messagesOf,
  openSlowOffice,
  STEP_WITHIN_MS,
  strikeAt,
  watchRecovery,
  type Run,
  type Scenario,
} from '../scenario';
import { settleUp } from '../settle-up';
import { until } from '../until';
import type { VendorPromise } from '../vendor-promises';

interface Fault {
  name: string;
  about: string;
  /** From the beginning to the end. */
  rates?: SettingsPatch;
  /** At random moments; answers when it is over. */
  strike?: { times: number; work: (run: Run, office: Office, campaign: Launched) => Promise<void> };
  /** How the vendor counts that it has struck. */
  struck: (totals: SandboxTotals) => number;
}

const STORM_MS = 2_000;

/** Of an outage, and how the vendor counts who has met each. */
const OUTAGES: readonly ['unavailable' | 'drop' | 'hang', (totals: SandboxTotals) => number][] = [
  ['unavailable', ({ unavailable }) => unavailable],
  ['drop', ({ droppedBefore }) => droppedBefore],
  ['hang', ({ stalled }) => stalled],
];

const FAULTS: readonly Fault[] = [
  {
    name: 'drops',
    about: '5 % of the connections end after the vendor has accepted',
    rates: { rates: { dropAfter: 0.05 } },
    struck: ({ droppedAfter }) => droppedAfter,
  },
  {
    name: 'errors',
    about: '5 % are answered with 500, half of them after the vendor has accepted',
    rates: { rates: { error: 0.025, errorAfter: 0.025 } },
    struck: ({ errors }) => errors,
  },
  {
    name: 'cuts',
    about: '5 % of the replies end in the middle',
    rates: { rates: { cut: 0.05 } },
    struck: ({ cut }) => cut,
  },
  {
    name: 'stalls',
    about: '2 % are accepted and answered after 10 s, long after our patience',
    rates: { rates: { late: 0.02 }, lateMs: 10_000 },
    struck: ({ late }) => late,
  },
  {
    name: 'storms',
    about: 'three storms in which everything is answered with 429 and Retry-After',
    strike: { times: 3, work: storm },
    struck: ({ rateLimited }) => rateLimited,
  },
  {
    name: 'outage',
    about: 'an outage of a minute: first 503, then cut connections, then silence',
    strike: { times: 1, work: outage },
    struck: (totals) => Math.min(...OUTAGES.map(([, met]) => met(totals))),
  },
];

const PROMISES: readonly [VendorPromise, string][] = [
  ['keys', 'idempotency keys'],
  ['lookup', 'a look-up and no keys'],
  ['neither', 'neither keys nor look-up'],
];

async function storm(run: Run, office: Office, campaign: Launched): Promise<void> {
  const { sandbox } = run.arena.place;
  await sandbox.configure({ rates: { rateLimited: 1 } });
  await Promise.all([delay(STORM_MS), untilWaiting(office, campaign, 'rate_limit')]);
  await sandbox.configure({ rates: { rateLimited: 0 } });
}

async function outage(run: Run, office: Office, campaign: Launched): Promise<void> {
  const { sandbox } = run.arena.place;
  const began = performance.now();
  for (const [kind, met] of OUTAGES) {
    const before = met(await sandbox.totals());
    await sandbox.configure({ outage: kind });
    await Promise.all([
      delay(run.outageMs / OUTAGES.length),
      // Who has met the kind before it may wait for long.
      until(
        `a call meets the outage ${kind}`,
        async () => met(await sandbox.totals()) > before,
        STEP_WITHIN_MS,
      ),
      // The other kinds are met with few and short tries.
      kind === 'unavailable' ? untilWaiting(office, campaign, 'provider_down') : undefined,
    ]);
  }
  await sandbox.configure({ outage: 'none' });
  run.score.notes['outageSeconds'] = Math.round((performance.now() - began) / 1_000);
}

/** The campaign itself says why it waits. */
const untilWaiting = (office: Office, campaign: Launched, reason: WaitReason): Promise<void> =>
  until(
    `the campaign waits for ${reason}`,
    async () => (await look(office, campaign))?.progress.waiting?.reason === reason,
    30_000,
  );

async function suffer(run: Run, fault: Fault, promise: VendorPromise): Promise<void> {
  const { arena, random, recipients, score } = run;
  const { sandbox } = arena.place;
  const office = await openSlowOffice(run, 10, { promise });
  await sandbox.configure(fault.rates ?? {});
  const campaign = await launch(office, recipients);
  const total = messagesOf(campaign);
  const { times, work } = fault.strike ?? { times: 0, work: storm };
  for (const share of random.ascending(times, 0.05, 0.7)) {
    await strikeAt(run, { share, total, what: fault.name }, () => work(run, office, campaign));
    await watchRecovery(run, total, office, [campaign]);
  }
  await untilFinished(office, campaign, STEP_WITHIN_MS);
  const totals = await sandbox.totals();
  if (times === 0) score.hits = fault.struck(totals);
  score.holds('the vendor has failed as it was told to', fault.struck(totals) > 0);
  await settleUp(run, office, [campaign], { unknownAllowed: promise === 'neither' });
}

export const vendorScenarios: readonly Scenario[] = FAULTS.flatMap((fault) =>
  PROMISES.map(([promise, has]) => ({
    name: `vendor-${fault.name}-${promise}`,
    about: `A vendor with ${has}: ${fault.about}.`,
    run: (run: Run) => suffer(run, fault, promise),
  })),
);
