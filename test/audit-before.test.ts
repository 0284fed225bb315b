import { startTestApi, type TestApi } from './support/api';
import { auditOf } from './support/audit';
import { createMeans, ok } from './support/campaigns';
import { query, withClient } from './support/database';
import { createBroker } from './support/factories';
import { until } from './support/until';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
});
afterAll(() => api.close());

interface Row {
  table: string;
  /** Of the row itself, which is changed from beside. */
  id: string;
  path: string;
  patch: object;
  /** What the audit calls it by, where that is not the row. */
  entityId?: string;
  /** A moment of the row, in the table and in the audit; `updatedAt` by itself. */
  moment?: [column: string, field: string];
}

const post = async (path: string, body: object): Promise<string> =>
  (await ok(api.request('POST', path, { as: api.first.director, body }))).id;

const simple = async (table: string, path: string, patch: object, body: object): Promise<Row> => {
  const id = await post(path, body);
  return { table, id, path: `${path}/${id}`, patch };
};

const ROWS: Record<string, () => Promise<Row>> = {
  wallet: () =>
    simple('wallets', '/v1/wallets', { name: 'Norte' }, { name: 'Sul', idgisAmbiente: 7 }),
  fish: () =>
    simple('fish_contacts', '/v1/fish', { name: 'Bia' }, { name: 'Ana', phone: '+5511988887777' }),
  squad: () => simple('squads', '/v1/squads', { name: 'Norte' }, { name: 'Sul', type: 'sales' }),
  'blocklist entry': () =>
    simple('blocklist_entries', '/v1/blocklist', { reason: 'B' }, { phone: '+5511977776666' }),
  async broker() {
    const id = await createBroker(api.deps.db, api.first.companyId);
    return { table: 'brokers', id, path: `/v1/brokers/${id}`, patch: { costPerMessage: '0.06' } };
  },
  async credential() {
    const { credentialId: id } = await createMeans(api.deps.db, api.first.companyId);
    return { table: 'credentials', id, path: `/v1/credentials/${id}`, patch: { active: false } };
  },
  async member() {
    const squadId = await post('/v1/squads', { name: 'Com gente', type: 'sales' });
    const { id: userId } = api.first.agent;
    const path = `/v1/squads/${squadId}/members`;
    await ok(api.request('POST', path, { as: api.first.director, body: { userId } }));
    const [row] = await query<{ id: string }>(
      api.database.adminUrl,
      'SELECT id FROM squad_members WHERE squad_id = $1',
      [squadId],
    );
    const one = { table: 'squad_members', id: row!.id, path: `${path}/${userId}` };
    return {
      ...one,
      patch: { isLeader: true },
      entityId: squadId,
      moment: ['joined_at', 'joinedAt'],
    };
  },
};

/** What the changes from beside write. */
const BESIDE = { PATCH: '2020-02-02T02:02:02.000Z', DELETE: '2021-01-01T01:01:01.000Z' };

test.each(Object.keys(ROWS))(
  'of two changes of a %s at once, the audit of the second begins with what the first one made',
  async (kind) => {
    const made = await ROWS[kind]!();
    const { table, id, path, patch, entityId = id } = made;
    const [column, field] = made.moment ?? ['updated_at', 'updatedAt'];
    await withClient(api.database.adminUrl, async (beside) => {
      for (const method of ['PATCH', 'DELETE'] as const) {
        const moment = BESIDE[method];
        await beside.query('BEGIN');
        await beside.query(`UPDATE ${table} SET ${column} = $2 WHERE id = $1`, [id, moment]);
        const body = method === 'PATCH' ? { body: patch } : {};
        const changed = api.request(method, path, { as: api.first.director, ...body });
        await until('it waits for the first one', async () => {
          const sql = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
          return (await query(api.database.adminUrl, sql)).length > 0;
        });
        await beside.query('COMMIT');
        expect([200, 204]).toContain((await changed).status);
        const line = (await auditOf(api.deps.db, api.first.companyId, entityId)).at(-1);
        expect(line).toMatchObject({ changes: { before: { [field]: moment } } });
      }
    });
  },
);
