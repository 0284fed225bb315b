import { setTimeout as delay } from 'node:timers/promises';
import { launch, untilFinished } from '../campaign';
import { crowdOut } from '../crowd';
import {
  messagesOf,
  openSlowOffice,
  STEP_WITHIN_MS,
  strikeAt,
  watchRecovery,
  type Run,
  type Scenario,
} from '../scenario';
import { settleUp } from '../settle-up';
import { openSmallDisk } from '../small-disk';
import { until } from '../until';

const TIMES = 2;
const FOR_MS = [500, 5_000] as const;

async function fillDisk(run: Run): Promise<void> {
  const { arena, random, recipients, score } = run;
  const disk = await openSmallDisk(arena.place);
  score.notes['disk'] = disk.kind;
  try {
    const office = await openSlowOffice(run, 15);
    const campaign = await launch(office, recipients);
    const total = messagesOf(campaign);
    for (const share of random.ascending(TIMES, 0.05, 0.6)) {
      await strikeAt(run, { share, total, what: 'disk full' }, async () => {
        const before = disk.complaints();
        await disk.fill();
        await until('PostgreSQL finds the disk full', () => disk.complaints() > before);
        await delay(random.between(...FOR_MS));
        await disk.empty();
        score.notes['complaints'] = disk.complaints();
      });
      await watchRecovery(run, total, office, [campaign]);
    }
    await untilFinished(office, campaign, STEP_WITHIN_MS);
    await settleUp(run, office, [campaign]);
  } finally {
    await disk.remove();
  }
}

async function exhaustConnections(run: Run): Promise<void> {
  const { arena, random, recipients } = run;
  const office = await openSlowOffice(run, 15);
  const campaign = await launch(office, recipients);
  const total = messagesOf(campaign);
  for (const share of random.ascending(TIMES, 0.05, 0.8)) {
    await strikeAt(run, { share, total, what: 'no connection left' }, async () => {
      const crowd = await crowdOut(arena.place);
      await delay(random.between(...FOR_MS));
      await crowd.leave();
    });
    await watchRecovery(run, total, office, [campaign]);
  }
  await untilFinished(office, campaign, STEP_WITHIN_MS);
  await settleUp(run, office, [campaign]);
}

export const resourceScenarios: readonly Scenario[] = [
  {
    name: 'connections-exhausted',
    about: "PostgreSQL ends the application's connections and has no other for it, for seconds.",
    run: exhaustConnections,
  },
  {
    name: 'disk-full',
    about: 'The disk of PostgreSQL is full for seconds: a small tmpfs, or a file size limit.',
    isolated: true,
    run: fillDisk,
  },
];
