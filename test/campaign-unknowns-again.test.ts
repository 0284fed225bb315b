import { messageReference } from '../domain/communications';
import { expectBooksAgree } from './support/books';
import { ok, startCampaignBench, type Campaigner, type CampaignBench } from './support/campaigns';
import { query } from './support/database';
import { until } from './support/until';

/*
 * "Send again", from the request to the vendor: API, relay, engine, worker, and a vendor that keeps no keys and
 * answers no look-up, so that a call without an answer is `unknown`.
 */
const DEAF = { idempotency: false, lookup: false };
/** The stand-in vendor cuts the first call of each message to it, and has taken nothing. */
const CUT = '+5511999990008';

let world: CampaignBench;
let own: Campaigner;
jest.setTimeout(60_000);
beforeAll(async () => {
  world = await startCampaignBench();
  own = await world.campaigner({ config: DEAF });
}, 300_000);
beforeEach(() => world.bench.sandbox.reset());
afterEach(() => expectBooksAgree(world.bench));
afterAll(() => world.stop());

const counts = async (id: string) =>
  (await ok(own.call('GET', `/${id}`, own.approver))).progress.counts;

/** Somebody decides that all of them are to be sent again; lease and timeout of their calls are long over. */
async function sendAgain(id: string): Promise<{ executionId: string | null; decided: unknown }> {
  await query(
    world.bench.adminUrl,
    `UPDATE communications c SET call_before = c.call_before - interval '1 hour' FROM campaign_executions e
      WHERE e.campaign_id = $1 AND c.source_id = e.id`,
    [id],
  );
  const body = { as: 'again', reason: 'O fornecedor não tem nenhuma' };
  return ok(own.call('POST', `/${id}/unknown/resolve`, own.approver, body));
}

/** The keys under which the vendor has taken messages to that number. */
const takenBy = (number: string): (string | null)[] =>
  world.bench.sandbox.messages().flatMap(({ to, reference }) => (to === number ? [reference] : []));

/** Of the first person of an execution. */
async function keyOf(executionId: string): Promise<string> {
  const [row] = await query<{ month: string }>(
    world.bench.adminUrl,
    'SELECT ledger_month::text AS month FROM campaign_executions WHERE id = $1',
    [executionId],
  );
  const ledgerMonth = row?.month ?? 'none';
  return messageReference({
    ledgerMonth,
    sourceId: executionId,
    position: 0,
    step: 0,
    channel: 'sms',
  });
}

test('after the end, whoever is to be sent again gets the message through an execution of its own', async () => {
  const { id, executionId } = await own.approved({ recipients: 5, addresses: [CUT] });
  await world.untilState(own, id, 'FINISHED');
  expect(await counts(id)).toMatchObject({ sent: 4, unknown: 1 });
  expect(takenBy(CUT)).toEqual([]);

  world.bench.sandbox.configure({ numberRules: false });
  const again = await sendAgain(id);
  expect(again).toMatchObject({ state: 'APPROVED', decided: { again: 1 } });
  expect(again.executionId).not.toBe(executionId);
  await world.untilState(own, id, 'FINISHED');
  expect(takenBy(CUT)).toEqual([await keyOf(again.executionId ?? '')]);
  expect(await counts(id)).toMatchObject({ recipients: 5, sent: 5, unknown: 0 });
  expect(world.bench.sandbox.totals()).toMatchObject({ accepted: 5, unique: 5, duplicated: 0 });
});

test('while it is sent, whoever is to be sent again gets the message under the first key', async () => {
  // Nobody else is sent to meanwhile; the rules of numbers come before the rates.
  world.bench.sandbox.configure({ rates: { unavailable: 1 } });
  const { id, executionId } = await own.approved({ recipients: 3, addresses: [CUT] });
  await until('the cut call is unknown', async () => (await counts(id)).unknown === 1);
  world.bench.sandbox.configure({ outage: 'unavailable' });

  const again = await sendAgain(id);
  expect(again).toMatchObject({ state: 'PROCESSING', decided: { again: 1 } });
  expect(await counts(id)).toMatchObject({ unknown: 0 });
  world.bench.sandbox.configure({ outage: 'none', rates: { unavailable: 0 } });
  await world.untilState(own, id, 'FINISHED');
  expect(takenBy(CUT)).toEqual([await keyOf(executionId)]);
  expect(await counts(id)).toMatchObject({ recipients: 3, sent: 3, unknown: 0 });
  expect(world.bench.sandbox.totals()).toMatchObject({ accepted: 3, unique: 3, duplicated: 0 });
});
