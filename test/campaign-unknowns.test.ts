import { applyDueEvents } from '../prisma/delivery-events';
import { closeBatch } from '../prisma/dispatch/batches';
import { startTestApi, type Answer, type TestApi } from './support/api';
import { auditOf } from './support/audit';
import { expectBooksAgree } from './support/books';
import { ok, startCampaigner, type Campaigner } from './support/campaigns';
import { query } from './support/database';
import { claim, mark, move, settle, type Race } from './support/races';
import { storeDelivered } from './support/unknowns';

let api: TestApi;
let own: Campaigner;
jest.setTimeout(30_000);
beforeAll(async () => {
  api = await startTestApi();
  own = await startCampaigner(api, api.first);
}, 120_000);
afterEach(() => expectBooksAgree(api.database));
afterAll(() => api.close());

interface Case {
  id: string;
  executionId: string;
  race: Race;
}

/** A campaign in PROCESSING whose people are all `unknown`; their calls are long over unless said otherwise. */
async function unheard(recipients: number, { isOver = true, batches = 1 } = {}): Promise<Case> {
  const { id, executionId } = await own.approved({ recipients });
  const { companyId } = own.tenant;
  const race = { companyId, executionId, scene: { companyId, ...own.means } };
  const { db } = api.deps;
  await move(db, race, 'start');
  for (let seq = 0; seq < batches; seq += 1) {
    const batch = await claim(db, race);
    const { markId, positions } = await mark(db, batch);
    const silence = { outcome: 'unknown', code: 'TIMEOUT' } as const;
    await settle(
      db,
      batch,
      markId,
      positions.map((position) => ({ position, ...silence })),
    );
    await closeBatch(db, batch, batch);
  }
  if (isOver)
    await query(
      api.database.adminUrl,
      `UPDATE communications SET call_before = call_before - interval '1 hour' WHERE source_id = $1`,
      [executionId],
    );
  return { id, executionId, race };
}

const BECAUSE = { reason: 'Conferido com o fornecedor' };
const resolve = (
  { id }: { id: string },
  body: object,
  as: { token: string } = own.approver,
  headers = {},
): Promise<Answer> =>
  own.call('POST', `/${id}/unknown/resolve`, as, { ...BECAUSE, ...body }, headers);
const get = (id: string, path = '') => ok(own.call('GET', `/${id}${path}`, own.approver));
const finish = ({ race }: Case): Promise<unknown> => move(api.deps.db, race, 'finish');

test('a line of the report names whom a decision takes', async () => {
  const scene = await unheard(3);
  const csv: string = await get(scene.id, '/report.csv?state=unknown');
  const [header = [], ...rows] = csv.split('\r\n').map((line) => line.split(','));
  const [executionId, position] = ['execucao', 'posicao'].map((name) => header.indexOf(name));
  const [, second = []] = rows;
  const only = { executionId: second[executionId!], positions: [Number(second[position!])] };
  const { decided } = await ok(resolve(scene, { as: 'sent', only }));
  expect(decided).toEqual({ sent: 1, failed: 0, again: 0 });
  const phone = header.indexOf('telefone');
  const { items } = await get(scene.id, '/recipients?state=sent');
  expect(items).toMatchObject([{ position: 1, executionId: scene.executionId }]);
  expect(items[0].address).toBe(second[phone]?.replace(/^'/, ''));
});

test('everybody in unknown is listed with what a decision names', async () => {
  const scene = await unheard(3);
  const { items } = await get(scene.id, '/recipients?state=unknown');
  expect(items).toMatchObject(
    [0, 1, 2].map((position) => ({ executionId: scene.executionId, position, reason: 'TIMEOUT' })),
  );
  const [first] = items;
  const only = { executionId: first.executionId, positions: [first.position] };
  expect((await resolve(scene, { as: 'sent', only })).body).toEqual({
    id: scene.id,
    state: 'PROCESSING',
    executionId: null,
    decided: { sent: 1, failed: 0, again: 0 },
    undecided: { tooEarly: 0, notUnknown: 0, fish: 0 },
    decidableAt: null,
    undecidedPeople: [],
  });
  expect((await get(scene.id, '/recipients?state=unknown')).items).toHaveLength(2);
  expect((await get(scene.id)).progress.counts).toMatchObject({
    recipients: 3,
    sent: 1,
    unknown: 2,
  });
});

test('a decision is audited with its counts, its reason and the first of its people', async () => {
  const scene = await unheard(120);
  await ok(resolve(scene, { as: 'failed', only: { reason: 'TIMEOUT' } }));
  const lines = await auditOf(api.deps.db, own.tenant.companyId, scene.id);
  const line = lines.at(-1);
  expect(line).toMatchObject({
    action: 'campaign.resolve_unknown',
    actorId: own.approver.id,
    changes: {
      before: { state: 'PROCESSING' },
      after: {
        as: 'failed',
        ...BECAUSE,
        only: { reason: 'TIMEOUT' },
        decided: 120,
        undecided: { too_early: 0, not_unknown: 0, fish: 0 },
      },
    },
  });
  const { after } = line!.changes as unknown as { after: { people: unknown[] } };
  expect(after.people).toHaveLength(100);
  expect(after.people[0]).toEqual({ executionId: scene.executionId, position: 0 });
});

test('whoever may still be on their way is not decided, and the answer says from when on', async () => {
  const scene = await unheard(2, { isOver: false });
  const { status, body } = await resolve(scene, { as: 'again' });
  expect([status, body.decided.again, body.undecided.tooEarly, body.executionId]).toEqual([
    200,
    0,
    2,
    null,
  ]);
  expect(body.undecidedPeople[1]).toEqual({
    executionId: scene.executionId,
    position: 1,
    why: 'tooEarly',
  });
  // The lease, the timeout of a call, and a second.
  const waitMs = Date.parse(body.decidableAt) - Date.now();
  expect(waitMs).toBeGreaterThan(8_000);
  expect(waitMs).toBeLessThan(13_001);
});

test('a repeated request with its key is answered as the first one and decides nobody else', async () => {
  const scene = await unheard(2);
  const only = { executionId: scene.executionId, positions: [0] };
  const headers = { 'idempotency-key': `decide-${scene.id}` };
  const first = await resolve(scene, { as: 'failed', only }, own.approver, headers);
  const second = await resolve(scene, { as: 'failed', only }, own.approver, headers);
  expect(second.body).toEqual(first.body);
  expect(first.body.decided.failed).toBe(1);
  const lines = await auditOf(api.deps.db, own.tenant.companyId, scene.id);
  expect(lines.filter(({ action }) => action === 'campaign.resolve_unknown')).toHaveLength(1);
});

test('only whoever may approve decides, and another company’s campaign is not there', async () => {
  const scene = await unheard(1);
  const { agent, manager } = own.tenant;
  expect((await resolve(scene, { as: 'sent' }, agent)).status).toBe(403);
  // A manager approves, but sees the campaigns of the own squads only.
  expect((await resolve(scene, { as: 'sent' }, manager)).status).toBe(404);
  expect((await resolve(scene, { as: 'sent' }, api.second.director)).status).toBe(404);
  const controller = await api.key(own.approver, ['campaigns:read', 'campaigns:control']);
  expect((await resolve(scene, { as: 'sent' }, controller)).status).toBe(403);
  const approver = await api.key(own.approver, ['campaigns:approve']);
  expect((await resolve(scene, { as: 'sent' }, approver)).body.decided.sent).toBe(1);
});

test('positions need their execution, which must be one of the campaign', async () => {
  const [scene, other] = [await unheard(1), await unheard(1)];
  const { executionId } = other;
  const pointers = async (body: object): Promise<string[]> =>
    ((await resolve(scene, body)).body.errors ?? []).map(
      (each: { pointer: string }) => each.pointer,
    );
  expect(await pointers({ as: 'sent', only: { positions: [0] } })).toEqual(['/only/executionId']);
  expect(
    await pointers({ as: 'sent', only: { executionId, positions: [0], reason: 'x' } }),
  ).toEqual(['/only/reason']);
  expect(await pointers({ as: 'lost' })).toEqual(['/as']);
  expect(await pointers({ as: 'sent', reason: ' ' })).toEqual(['/reason']);
  expect(await resolve(scene, { as: 'sent', only: { executionId } })).toMatchObject({
    status: 404,
    body: { code: 'NOT_FOUND' },
  });
});

describe('after the end', () => {
  test('they are sent again by a new execution, without fish and once, and everybody is counted once', async () => {
    const fishes = { as: own.approver, body: { name: 'Bia', phone: '+5511988887777' } };
    const { id: fishId } = await ok(api.request('POST', '/v1/fish', fishes));
    // The fish have a batch of their own.
    const scene = await unheard(4, { batches: 2 });
    await ok(api.request('DELETE', `/v1/fish/${fishId}`, { as: own.approver }));
    await finish(scene);
    const { executionId: first } = scene;
    await ok(resolve(scene, { as: 'sent', only: { executionId: first, positions: [0] } }));
    const both = await Promise.all([
      resolve(scene, { as: 'again' }),
      resolve(scene, { as: 'again' }),
    ]);
    const [good, late] = both.sort((a, b) => a.status - b.status);
    expect([good?.status, late?.status]).toEqual([200, 409]);
    expect(good?.body).toMatchObject({
      state: 'APPROVED',
      decided: { again: 3 },
      undecided: { fish: 1 },
      undecidedPeople: [{ executionId: first, position: 4, why: 'fish' }],
    });
    const executionId = good?.body.executionId;
    expect(executionId).not.toBe(first);
    expect((await get(scene.id)).progress.counts).toMatchObject({
      recipients: 4,
      sent: 1,
      failed: 0,
      unknown: 0,
      waiting: 3,
    });
    const { items } = await get(scene.id, '/recipients');
    expect(
      items.map(({ state, isFish }: { state: string; isFish: boolean }) => [state, isFish]),
    ).toEqual([
      ['sent', false],
      ['unknown', true],
      ...Array.from({ length: 3 }, () => ['waiting', false]),
    ]);
    // What has ended can still be decided, but not sent again beside it.
    const fish = { only: { executionId: first } };
    await query(api.database.adminUrl, `UPDATE campaigns SET state = 'PROCESSING' WHERE id = $1`, [
      scene.id,
    ]);
    expect(await resolve(scene, { as: 'again', ...fish })).toMatchObject({
      status: 409,
      body: { openExecutionId: executionId },
    });
    expect((await resolve(scene, { as: 'failed', ...fish })).body.decided.failed).toBe(1);
  });

  test('whose first message was accepted after all is counted once, as waiting for the second one', async () => {
    const scene = await unheard(2);
    await finish(scene);
    await ok(resolve(scene, { as: 'again' }));
    await storeDelivered(api.deps, scene.race, 1);
    await applyDueEvents(api.deps.db, 100);
    const { counts } = (await get(scene.id)).progress;
    expect(counts).toMatchObject({ recipients: 2, sent: 0, failed: 0, unknown: 0, waiting: 2 });
    const { items } = await get(scene.id, '/executions');
    expect(items[1].counts).toMatchObject({ recipients: 2, delivered: 1, failed: 1 });
  });

  test('nobody is sent again at a price that has risen, and nothing is changed', async () => {
    const scene = await unheard(2);
    await finish(scene);
    const price = (value: string): Promise<unknown> =>
      query(api.database.adminUrl, 'UPDATE brokers SET cost_per_message = $2 WHERE id = $1', [
        own.means.brokerId,
        value,
      ]);
    await price('0.06');
    expect(await resolve(scene, { as: 'again' })).toMatchObject({ status: 409 });
    expect((await get(scene.id, '/recipients?state=unknown')).items).toHaveLength(2);
    await price('0.05');
    expect((await resolve(scene, { as: 'again' })).body.decided.again).toBe(2);
  });
});
