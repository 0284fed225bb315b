import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { messageReference } from '../domain/communications';
import { applyDueEvents, storeEvents } from '../prisma/delivery-events';
import { runLedgerCommand } from '../dev/ledger/commands';
import { startTestApi, type Answer, type TestApi, type TestPerson } from './support/api';
import { readDocument } from './support/api-routes';
import { query } from './support/database';
import { fillOldMonth, makeOldMonth, OLD_MONTH, type OldCampaign } from './support/old-months';

let api: TestApi;
let old: OldCampaign;
let director: TestPerson;
let directory: string;
beforeAll(async () => {
  api = await startTestApi();
  await makeOldMonth(api.database);
  old = await fillOldMonth(api.database, 250);
  director = await api.person(old.companyId, 'DIRECTOR');
  directory = await mkdtemp(join(tmpdir(), 'regente-ledger-'));
});
afterAll(async () => {
  await api.close();
  await rm(directory, { recursive: true });
});

const call = (method: string, path: string, body = {}): Promise<Answer> =>
  api.request(method, `/v1/campaigns/${old.campaignId}${path}`, {
    as: director,
    ...(method === 'POST' ? { body } : {}),
  });
const archive = (drop: boolean): Promise<void> =>
  runLedgerCommand(
    api.database.ownerUrl,
    { name: 'archive', month: OLD_MONTH, to: directory, drop },
    () => undefined,
  );
const restore = (): Promise<void> =>
  runLedgerCommand(
    api.database.ownerUrl,
    { name: 'restore', month: OLD_MONTH, from: directory },
    () => undefined,
  );

const PEOPLE: [method: string, path: string][] = [
  ['GET', '/recipients'],
  ['GET', '/recipients?state=waiting'],
  ['GET', '/report.csv'],
  ['GET', '/report.csv?format=excel-br'],
  ['GET', '/reasons'],
];

test('of an archived month, counts stay, people are refused with the month, and a restore brings all back', async () => {
  const everything = async (): Promise<unknown[]> =>
    Promise.all(PEOPLE.map(async ([method, path]) => (await call(method, path)).body));
  const counts = async (): Promise<unknown> => {
    const { progress, state } = (await call('GET', '')).body;
    return { state, counts: progress.counts, money: progress.money };
  };
  const { paths } = await readDocument();
  const documented = (method: string, path: string): unknown =>
    paths[`/v1/campaigns/{id}${path.replace(/\?.*/, '')}`]?.[method.toLowerCase()]?.responses;
  const [people, numbers] = [await everything(), await counts()];
  expect(numbers).toMatchObject({ counts: { recipients: 250, sent: 225, failed: 25, waiting: 0 } });
  for (const drop of [false, true]) {
    await archive(drop);
    expect(await counts()).toEqual(numbers);
    const executions = (await call('GET', '/executions')).body.items;
    expect(executions).toHaveLength(1);
    const decision = { as: 'failed', reason: 'Conferido com o fornecedor' };
    for (const [method, path, sent] of [
      ...PEOPLE,
      ['POST', '/retry-failed'] as const,
      ['POST', '/unknown/resolve', decision] as const,
    ]) {
      const { status, body } = await call(method, path, sent);
      expect(documented(method, path)).toHaveProperty('410');
      expect({ path, status, body }).toMatchObject({
        path,
        status: 410,
        body: {
          code: 'ARCHIVED',
          archivedMonths: [OLD_MONTH],
          detail: expect.stringContaining(OLD_MONTH),
        },
      });
    }
  }
  await restore();
  expect(await everything()).toEqual(people);
  expect((await call('POST', '/retry-failed')).body.code).not.toBe('ARCHIVED');
});

test('a callback about an archived message is kept, and given up like one that matches nothing', async () => {
  await archive(true);
  const event = {
    eventId: 'tarde',
    providerId: `SM${old.executionId}1`,
    reference: messageReference({
      ledgerMonth: `${OLD_MONTH}-01`,
      sourceId: old.executionId,
      position: 1,
      step: 0,
      channel: 'sms',
    }),
    status: 'read' as const,
    errorCode: null,
    occurredAt: new Date(),
  };
  const { db } = api.database;
  await storeEvents(db, old, [event]);
  const stateAfter = async (): Promise<unknown> => {
    await applyDueEvents(db, 100);
    const [row] = await query(api.database.adminUrl, 'SELECT state FROM webhook_inbox');
    return row;
  };
  expect(await stateAfter()).toEqual({ state: 'pending' });
  await query(
    api.database.adminUrl,
    `UPDATE webhook_inbox SET received_at = now() - interval '4 days', next_attempt_at = now()`,
  );
  expect(await stateAfter()).toEqual({ state: 'expired' });
  await restore();
});

test('of a campaign that a retry has gone on with in a later month, the archived part is not left out silently', async () => {
  await query(
    api.database.adminUrl,
    `INSERT INTO campaign_executions SELECT (jsonb_populate_record(e, jsonb_build_object('id', uuidv7(), 'execution_type', 'retry',
       'ledger_month', date_trunc('month', now())::date))).* FROM campaign_executions e WHERE e.id = $1`,
    [old.executionId],
  );
  await archive(true);
  for (const [method, path] of PEOPLE) expect((await call(method, path)).status).toBe(410);
});
