import { Console } from 'node:console';
import { Writable } from 'node:stream';
import { allRejects } from '../api/audience/rejects';
import { createListener } from '../api/listener';
import { createLogger } from '../telemetry';
import { openAudienceDesk, phoneOf, type AudienceDesk } from './support/audiences';
import { ok } from './support/campaigns';
import { query } from './support/database';
import { listen, type Listening } from './support/listen';
import { until } from './support/until';

const SECRET = 'segredo-que-ninguem-le';

let desk: AudienceDesk;
beforeAll(async () => {
  desk = await openAudienceDesk();
});
afterAll(() => desk.close());

describe('what the database refuses with the values of a row', () => {
  let server: Listening;
  let lines: string[];
  beforeAll(async () => {
    const { adminUrl } = desk.api.database;
    await query(
      adminUrl,
      `CREATE FUNCTION refuse(reason text) RETURNS boolean LANGUAGE plpgsql AS
         $$ BEGIN RAISE EXCEPTION 'not %', reason USING ERRCODE = '22012'; END $$`,
    );
    await query(
      adminUrl,
      'CREATE POLICY refused ON blocklist_entries AS RESTRICTIVE USING (refuse(reason))',
    );
    await query(
      adminUrl,
      `INSERT INTO blocklist_entries (company_id, phone, reason) VALUES ($1, '+5511987654321', $2)`,
      [desk.tenant.companyId, SECRET],
    );
  });
  beforeEach(async () => {
    lines = [];
    const logger = createLogger('error', 'test', { write: (line) => void lines.push(line) });
    server = await listen(createListener({ ...desk.api.deps, logger }));
  });
  afterEach(() => server.close());

  const get = (path: string): Promise<Response> =>
    fetch(`${server.url}/v1/blocklist${path}`, {
      headers: { authorization: `Bearer ${desk.tenant.director.token}`, 'x-request-id': 'r-1' },
    });

  const expectOneLine = async (route: string): Promise<void> => {
    await until('it is logged', () => lines.length > 0);
    expect(lines.map((line) => JSON.parse(line))).toEqual([
      expect.objectContaining({ requestId: 'r-1', route, err: expect.anything() }),
    ]);
    expect(lines.join()).not.toContain(SECRET);
    expect(lines.join()).toContain('22012');
  };

  test('is logged without them', async () => {
    expect((await get('')).status).toBe(500);
    await expectOneLine('/v1/blocklist');
  });

  test('in the middle of a file breaks it off, and is logged once, by our logger', async () => {
    const printed: string[] = [];
    const write = (text: Buffer, _encoding: string, done: () => void): void => {
      printed.push(text.toString());
      done();
    };
    const usual = globalThis.console;
    globalThis.console = new Console(new Writable({ write }));
    await expect(get('/export.csv').then((response) => response.text())).rejects.toThrow();
    await expectOneLine('/v1/blocklist/export.csv');
    globalThis.console = usual;
    expect(printed).toEqual([]);
  });
});

test('a file of rejects is of one audience, or breaks off', async () => {
  const id = await desk.draft();
  const file = ['telefone;nome', ...Array.from({ length: 5_500 }, () => '1;Ana')].join('\n');
  const upload = () => ok(desk.put(id, `${file}\n${phoneOf(1)};Bia`));
  await upload();
  const { companyId, id: agentId, role } = desk.tenant.agent;
  const { audience } = (await desk.get(id)).body;
  const open = () =>
    allRejects(desk.api.deps.db, companyId, { type: 'user', id: agentId, role }, id, {
      audienceId: audience.id,
    });
  const readAll = async (rows: AsyncIterable<unknown>): Promise<number> => {
    let count = 0;
    for await (const _ of rows) count += 1;
    return count;
  };
  expect(await readAll(open())).toBe(5_500);
  const rows = open();
  await rows.next();
  await upload();
  await expect(readAll(rows)).rejects.toMatchObject({ code: 'CONFLICT' });
});
