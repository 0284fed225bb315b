import { setTimeout as delay } from 'node:timers/promises';
import { launch, untilFinished } from '../campaign';
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

const KILLS = 3;
const DOWN_MS = [200, 4_000] as const;

type Server = 'postgres' | 'engine';

async function killServers(run: Run, servers: readonly Server[]): Promise<void> {
  const { arena, random } = run;
  const { stack } = arena.place;
  const office = await openSlowOffice(run, 15);
  const campaign = await launch(office, run.recipients);
  const total = messagesOf(campaign);
  for (const share of random.ascending(KILLS, 0.05, 0.85)) {
    await strikeAt(run, { share, total, what: `${servers.join(' and ')} killed` }, () =>
      Promise.all(servers.map((server) => stack[server].kill())),
    );
    await delay(random.between(...DOWN_MS));
    await stack.revive();
    await watchRecovery(run, total, office, [campaign]);
  }
  await untilFinished(office, campaign, STEP_WITHIN_MS);
  await settleUp(run, office, [campaign]);
}

export const serverScenarios: readonly Scenario[] = [
  {
    name: 'postgres-killed',
    about:
      'SIGKILL for PostgreSQL at random moments; it is started again after up to four seconds.',
    run: (run) => killServers(run, ['postgres']),
  },
  {
    name: 'engine-killed',
    about: 'The same for the Temporal dev server, whose state is in a file.',
    run: (run) => killServers(run, ['engine']),
  },
  {
    name: 'both-killed',
    about: 'The same for both at once.',
    run: (run) => killServers(run, ['postgres', 'engine']),
  },
];
