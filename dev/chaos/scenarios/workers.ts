import { launch, untilFinished } from '../campaign';
import {
  messagesOf,
  openSlowOffice,
  STEP_WITHIN_MS,
  strikeAt,
  watchRecovery,
  type Scenario,
} from '../scenario';
import { settleUp } from '../settle-up';

const KILLS = 5;

export const workerScenarios: readonly Scenario[] = [
  {
    name: 'workers-killed',
    about: 'SIGKILL for one of two workers every few seconds; another one is started in its place.',
    async run(run) {
      const { arena, random } = run;
      const office = await openSlowOffice(run, 15);
      const campaign = await launch(office, run.recipients);
      const total = messagesOf(campaign);
      for (const share of random.ascending(KILLS, 0.05, 0.9)) {
        const worker = arena.workers[random.whole(0, arena.workers.length - 1)];
        if (worker === undefined) throw new Error('No worker runs.');
        await strikeAt(run, { share, total, what: `${worker.name} killed` }, () => worker.kill());
        await watchRecovery(run, total, office, [campaign]);
        await arena.replaceWorker(worker);
      }
      await untilFinished(office, campaign, STEP_WITHIN_MS);
      await settleUp(run, office, [campaign]);
    },
  },
];
