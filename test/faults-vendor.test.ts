import { readLedger } from '../dev/chaos/verdict';
import { expectBooksAgree } from './support/books';
import { ok, startCampaignBench, type CampaignBench, type Campaigner } from './support/campaigns';
import { until } from './support/until';

let world: CampaignBench;
jest.setTimeout(90_000);
beforeAll(async () => {
  world = await startCampaignBench({ microBatch: 20, leaseMs: 1_000, providerTimeoutMs: 500 });
}, 300_000);
beforeEach(() => world.bench.sandbox.reset());
afterEach(() => expectBooksAgree(world.bench));
afterAll(() => world.stop());

/** Whatever can befall one call; `late` answers after our patience is over. */
const FAULTS = {
  reject: 0.02,
  error: 0.03,
  errorAfter: 0.03,
  dropBefore: 0.03,
  dropAfter: 0.03,
  cut: 0.03,
  stall: 0.02,
  late: 0.02,
};
const CALM = Object.fromEntries(Object.keys(FAULTS).map((name) => [name, 0]));

/** How the vendor counts that each of them has struck. */
const STRIKES = [
  'rejected',
  'errors',
  'droppedBefore',
  'droppedAfter',
  'cut',
  'stalled',
  'late',
  'rateLimited',
  'unavailable',
] as const;

const KEYS = { idempotency: true, lookup: false };
const VENDORS = [
  ['answers a repeated key with the first result', KEYS, { idempotency: 'same' }],
  [
    'refuses a repeated key',
    { ...KEYS, idempotency: 'rejects' },
    { idempotency: 'rejects', lookup: false },
  ],
  [
    'can only be asked, and knows late',
    { idempotency: false, lookup: true, lookupSettlesMs: 400 },
    { idempotency: 'off', settleMs: 300 },
  ],
  ['promises nothing', { idempotency: false, lookup: false }, { idempotency: 'off' }],
] as const;

interface Counts {
  recipients: number;
  sent: number;
  failed: number;
  unknown: number;
}

async function look(own: Campaigner, id: string) {
  const { state, progress } = await ok(own.call('GET', `/${id}`, own.approver));
  const counts = progress.counts as Counts;
  const reason = (progress.waiting?.reason ?? null) as string | null;
  return { state: String(state), counts, reason, money: progress.money };
}

test.each(VENDORS)(
  'a vendor that %s may drop, stall, storm and vanish in one campaign: nobody is lost or sent two',
  async (_, config, vendor) => {
    const { sandbox } = world.bench;
    const own = await world.campaigner({ config });
    const recipients = 600;
    const accepted = (): number => sandbox.totals().accepted;
    const shows = (reason: string | null) =>
      until(
        `the campaign waits for ${reason}`,
        async () => (await look(own, id)).reason === reason,
      );

    sandbox.configure({ ...vendor, rates: FAULTS, lateMs: 1_500 });
    sandbox.configure({ latency: { kind: 'fixed', ms: 20 } });
    const { id, executionId } = await own.approved({ recipients });
    await until('it is under way', () => accepted() >= 80);
    sandbox.configure({ rates: { ...CALM, rateLimited: 1 } });
    await shows('rate_limit');
    sandbox.configure({ rates: { ...FAULTS, rateLimited: 0 } });
    await until('it goes on after the storm', () => accepted() >= 200);
    sandbox.configure({ outage: 'unavailable' });
    await until('a call is turned away', () => sandbox.totals().unavailable > 0);
    await shows('provider_down');
    const { droppedBefore } = sandbox.totals();
    sandbox.configure({ outage: 'drop' });
    await until('a call is cut', () => sandbox.totals().droppedBefore > droppedBefore);
    await shows('provider_down');
    sandbox.configure({ outage: 'none' });
    await until('it goes on after the outage', () => accepted() >= 320);
    sandbox.configure({ rates: CALM });
    await world.untilState(own, id, 'FINISHED');

    const totals = sandbox.totals();
    const struck = STRIKES.filter((each) => totals[each] > 0);
    expect(struck).toEqual(STRIKES);
    expect(totals.replayed > 0).toBe(config.idempotency !== false);
    expect(totals.lookups > 0).toBe(config.lookup);
    expect(totals.duplicated).toBe(0);

    const { counts, money, reason } = await look(own, id);
    const ledger = await readLedger(world.bench.adminUrl, executionId);
    const states = [...ledger.values()];
    const taken = new Set(sandbox.accepted().map(({ reference }) => reference));
    const sent = [...ledger.keys()].filter((reference) => ledger.get(reference) === 'sent');
    expect(states).toHaveLength(recipients);
    expect(sent.filter((reference) => !taken.has(reference))).toEqual([]);
    expect([...taken].filter((each) => !['sent', 'unknown'].includes(ledger.get(each)!))).toEqual(
      [],
    );
    expect(counts.sent + counts.failed + counts.unknown).toBe(recipients);
    expect(money).toEqual({
      used: ((counts.sent + counts.unknown) * 0.05).toFixed(4),
      reserved: '0.0000',
    });
    expect(reason).toBeNull();
    // Whoever can be asked again is known in the end; of the others as few as possible are not.
    if (config.idempotency !== false || config.lookup) expect(counts.unknown).toBe(0);
    else expect(counts.unknown).toBeGreaterThan(0);
    expect(counts.unknown).toBeLessThan(recipients / 4);
    expect(counts.failed).toBe(totals.rejected);
  },
);
