import { setTimeout as delay } from 'node:timers/promises';
import { expectBooksAgree } from './support/books';
import { ok, startCampaignBench, type CampaignBench } from './support/campaigns';
import { until } from './support/until';

let world: CampaignBench;
jest.setTimeout(120_000);
beforeAll(async () => {
  world = await startCampaignBench({ leaseMs: 1_000, providerTimeoutMs: 500 });
}, 300_000);
beforeEach(() => world.bench.sandbox.reset());
afterEach(() => expectBooksAgree(world.bench));
afterAll(() => world.stop());

const PAUSES = 2;
/** Longer than lease, request timeout and margin together. */
const SILENCE_MS = 2_600;

test.each([
  ['at full speed', {}, {}],
  [
    'while calls queue in front of a slow vendor, and failed ones are due again',
    { connections: 8 },
    { latency: { kind: 'fixed', ms: 40 }, rates: { error: 0.05, dropAfter: 0.05 } },
  ],
] as const)(
  'PAUSED is a promise %s: no call begins from then on, and the resume does the rest',
  async (_, config, vendor) => {
    const { sandbox } = world.bench;
    sandbox.configure({ journal: true, ...vendor });
    const own = await world.campaigner({ config });
    const recipients = 1_200;
    const { id } = await own.approved({ recipients });
    const post = (verb: string) => ok(own.call('POST', `/${id}/${verb}`, own.approver));
    const silences: { fromMs: number; toMs: number }[] = [];
    for (let nth = 1; nth <= PAUSES; nth += 1) {
      const enough = sandbox.totals().accepted + 200;
      await until('it is under way', () => sandbox.totals().accepted >= enough);
      expect(await post('pause')).toMatchObject({ state: 'PAUSED' });
      const fromMs = Date.now();
      await delay(SILENCE_MS);
      silences.push({ fromMs, toMs: Date.now() });
      await post('resume');
    }
    // A slow vendor, repeats that wait for their lease, and a busy machine.
    const isFinished = async (): Promise<boolean> =>
      (await ok(own.call('GET', `/${id}`, own.approver))).state === 'FINISHED';
    await until('the campaign is FINISHED', isFinished, 60_000);
    const inSilence = sandbox
      .journal()
      .filter(({ receivedAt }) =>
        silences.some(({ fromMs, toMs }) => receivedAt > fromMs && receivedAt < toMs),
      );
    expect(inSilence).toEqual([]);
    const { progress } = await ok(own.call('GET', `/${id}`, own.approver));
    expect(progress.counts).toMatchObject({ recipients, sent: recipients, unknown: 0 });
    expect(sandbox.totals()).toMatchObject({ unique: recipients, duplicated: 0 });
  },
);
