import { DateTime } from 'luxon';
import { requireAwake } from '../domain/campaign-test-sends';
import { RegenteError } from '../domain/errors';
import type { Answer } from './support/api';
import { startTestApi, type TestApi } from './support/api';
import { startCampaigner, type Campaigner } from './support/campaigns';
import { query } from './support/database';
import type { CampaignActor } from '../prisma/campaigns/scope';
import { openTestSend } from '../prisma/campaigns/test-sends';
import { withTenant } from '../prisma/tenant';

let api: TestApi;
let own: Campaigner;
jest.setTimeout(30_000);
beforeAll(async () => {
  api = await startTestApi();
  own = await startCampaigner(api, api.first);
}, 120_000);
afterAll(() => api.close());

const send = (id: string, body: unknown): Promise<Answer> =>
  own.call('POST', `/${id}/test-send`, own.tenant.director, body);

/** Without the API, which would wait for the vendor of each. */
const opened = (
  id: string,
  numbers: number,
  actor: CampaignActor = { type: 'user', id: own.tenant.director.id, role: 'DIRECTOR' },
): Promise<PromiseSettledResult<string>[]> => {
  const { companyId } = own.tenant;
  const people = Array.from({ length: numbers }, (_, i) => `+5511988880${100 + i}`);
  return Promise.allSettled(
    people.map((to) =>
      withTenant(api.deps.db, companyId, (tx) => openTestSend(tx, actor, id, { to }), {
        timeoutMs: 20_000,
      }),
    ),
  );
};

test('takes no text from the request, only the campaign’s own', async () => {
  const id = await own.draft();
  const recipient = { customMessage: 'Promoção que ninguém aprovou' };
  const { status, body } = await send(id, { to: '+5511988881234', recipient });
  expect(status).toBe(400);
  expect(body.errors).toEqual([
    { pointer: '/recipient/customMessage', detail: expect.stringMatching(/text of the campaign/) },
  ]);
});

test('says that there is no text to test, rather than asking for a value', async () => {
  const id = await own.draft({ recipients: 0, fields: { baseMessage: null } });
  const { status, body } = await send(id, { to: '+5511988881234' });
  expect([status, body.errors[0].pointer]).toEqual([400, '/baseMessage']);
});

test('is refused in the company’s quiet hours, with their end, unless that comes before the test is over', () => {
  const quiet = { start: '22:00', end: '08:00' };
  const at = (utc: string) => () =>
    requireAwake(quiet, 'America/Sao_Paulo', Date.parse(`2026-11-21T${utc}Z`));
  expect(at('05:00:00')).toThrow(
    expect.objectContaining({
      code: 'CONFLICT',
      message: expect.stringContaining('until 08:00 (America/Sao_Paulo)'),
      details: { availableAt: '2026-11-21T11:00:00.000Z' },
    }),
  );
  expect(at('10:49:00')).toThrow(RegenteError);
  for (const utc of ['10:51:00', '11:00:00', '20:00:00']) expect(at(utc)).not.toThrow();
});

test('a test in the quiet hours is answered 409', async () => {
  const quiet = await startCampaigner(api, api.second);
  const { tenant } = quiet;
  const id = await quiet.draft();
  const inMinutes = (minutes: number): string =>
    DateTime.now().setZone('America/Sao_Paulo').plus({ minutes }).toFormat('HH:mm');
  await query(
    api.database.adminUrl,
    `UPDATE companies SET settings = settings || jsonb_build_object('quietHours', $2::jsonb) WHERE id = $1`,
    [tenant.companyId, JSON.stringify({ start: inMinutes(-60), end: inMinutes(60) })],
  );
  const { status, body } = await quiet.call('POST', `/${id}/test-send`, tenant.director, {
    to: '+5511988881234',
  });
  expect([status, body.code]).toEqual([409, 'CONFLICT']);
  expect(body.detail).toContain('quiet hours last until');
});

test('twenty in 24 hours are all that a campaign has, also of many at once; then one is free again', async () => {
  const id = await own.draft();
  const outcomes = await opened(id, 24);
  const refused = outcomes.flatMap((each) => (each.status === 'rejected' ? [each.reason] : []));
  expect(refused).toHaveLength(4);
  for (const error of refused) expect(error).toMatchObject({ code: 'RATE_LIMITED' });

  const late = await own.call('POST', `/${id}/test-send`, own.tenant.director, {
    to: '+5511988881234',
  });
  expect([late.status, late.body.code]).toEqual([429, 'RATE_LIMITED']);
  const waitMs = new Date(String(late.body.availableAt)).getTime() - Date.now();
  expect(waitMs).toBeGreaterThan(23 * 3_600_000);
  expect(Number(late.headers.get('retry-after'))).toBeGreaterThan(23 * 3_600);

  expect((await opened(await own.draft(), 1))[0]!.status).toBe('fulfilled');
  await query(
    api.database.adminUrl,
    `UPDATE campaign_executions SET created_at = now() - interval '24 hours 1 second'
      WHERE id = (SELECT min(id::text)::uuid FROM campaign_executions WHERE campaign_id = $1)`,
    [id],
  );
  const [again] = await opened(id, 1);
  expect(again!.status).toBe('fulfilled');
});

test('forty in 24 hours are all that a person has, over all campaigns and keys and also at once; a colleague still has theirs', async () => {
  const { tenant } = own;
  const person = await api.person(tenant.companyId, 'DIRECTOR');
  const key = await api.key(person, ['campaigns:write']);
  const actors = [
    { type: 'user', id: person.id, role: 'DIRECTOR' },
    { type: 'key', id: key.id },
  ] as const;
  const drafts = await Promise.all([own.draft(), own.draft(), own.draft(), own.draft()]);
  for (const [i, id] of drafts.slice(0, 2).entries())
    for (const { status } of await opened(id, 18, actors[i])) expect(status).toBe('fulfilled');
  const outcomes = await Promise.all(drafts.slice(2).map((id, i) => opened(id, 4, actors[i])));
  const refused = outcomes
    .flat()
    .flatMap((each) => (each.status === 'rejected' ? [each.reason] : []));
  for (const error of refused) expect(error).toMatchObject({ code: 'RATE_LIMITED' });
  expect(refused).toHaveLength(4);

  const body = { to: '+5511988881234' };
  const fresh = await own.draft();
  for (const who of [person, key]) {
    const late = await own.call('POST', `/${fresh}/test-send`, who, body);
    expect([late.status, late.body.code, late.body.maxTestSends]).toEqual([
      429,
      'RATE_LIMITED',
      40,
    ]);
    expect(late.body.detail).toContain('let a colleague send it');
  }
  const colleague = { type: 'user', id: tenant.manager.id, role: 'DIRECTOR' } as const;
  expect((await opened(fresh, 1, colleague))[0]!.status).toBe('fulfilled');

  await query(
    api.database.adminUrl,
    `UPDATE audiences SET created_at = now() - interval '24 hours 1 second'
      WHERE id = (SELECT min(id::text)::uuid FROM audiences WHERE source = 'test' AND created_by IN ($1, $2))`,
    [person.id, key.id],
  );
  expect((await opened(fresh, 1, actors[0]))[0]!.status).toBe('fulfilled');
});
