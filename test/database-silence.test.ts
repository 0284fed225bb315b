import { finished } from 'node:stream/promises';
import { randomUUID } from 'node:crypto';
import { from as copyFrom, to as copyTo } from 'pg-copy-streams';
import { runLaneTurn } from '../activities/dispatch/lane-turn';
import { createFairShare } from '../activities/fair-share';
import { openDatabase, type Database } from '../prisma/client';
import { listDueOutbox } from '../prisma/outbox';
import { queryAcross, withTenant, withTenantConnection } from '../prisma/tenant';
import { expectBooksAgree } from './support/books';
import { countStates } from './support/executions';
import { startMutingProxy, type MutingProxy } from './support/muting-proxy';
import { budgetOf, startRace } from './support/races';
import { startTcpProxy } from './support/tcp-proxy';
import { openWorkshop, type Workshop } from './support/turns';
import { until } from './support/until';

const ANSWERS = { dispatchMs: 1_000, generalMs: 600 };
const UNAVAILABLE = { code: 'UNAVAILABLE' };

let shop: Workshop;
let proxy: MutingProxy;
let db: Database;
jest.setTimeout(30_000);
beforeAll(async () => {
  shop = await openWorkshop();
});
beforeEach(async () => {
  proxy = await startMutingProxy(shop.appUrl);
  db = openDatabase({ url: proxy.url, maxConnections: 1, answers: ANSWERS });
});
afterEach(async () => {
  await db.close();
  await proxy.close();
});
afterAll(() => shop.drop());

const company = randomUUID();

describe('a database that falls silent', () => {
  test('fails the statement that waits for it, and the next one has a connection that answers', async () => {
    proxy.muteAfter('outbox_due');
    await expect(listDueOutbox(db, 1)).rejects.toMatchObject(UNAVAILABLE);
    expect(proxy.muted).toBe(1);
    expect(await listDueOutbox(db, 1)).toEqual([]);
  });

  test('in the middle of an answer fails it', async () => {
    proxy.muteAfter('generate_series', 10_000);
    await expect(queryAcross(db, 'SELECT generate_series(1, 100000) AS n')).rejects.toMatchObject(
      UNAVAILABLE,
    );
    expect(await queryAcross(db, 'SELECT 1 AS n')).toEqual([{ n: 1 }]);
  });

  test.each(['BEGIN', 'app.company_id', 'count', 'COMMIT'])(
    'in a transaction of Prisma, at %s, frees who waits and the only connection',
    async (step) => {
      const read = (): Promise<unknown> => withTenant(db, company, (tx) => tx.campaign.count());
      await read();
      proxy.muteAfter(step);
      await expect(read()).rejects.toMatchObject(UNAVAILABLE);
      expect(proxy.muted).toBe(1);
      expect(await read()).toBe(0);
    },
  );

  test('in a query of Prisma outside of a transaction frees who waits and the only connection', async () => {
    const read = (): Promise<unknown> => db.prisma.campaign.count();
    await read();
    proxy.muteAfter('count');
    await expect(read()).rejects.toThrow();
    expect(await read()).toBe(0);
  });

  test.each(['BEGIN', 'app.company_id', 'pg_sleep(0)', 'COMMIT'])(
    'in a transaction on a connection, at %s, frees who waits and the only connection',
    async (step) => {
      const read = (): Promise<unknown> =>
        withTenantConnection(db, company, (connection) => connection.query('SELECT pg_sleep(0)'));
      await read();
      proxy.muteAfter(step);
      await expect(read()).rejects.toMatchObject(UNAVAILABLE);
      await read();
    },
  );

  test('while a COPY is written fails it', async () => {
    proxy.muteAfter('row 2');
    const written = withTenantConnection(db, company, async (connection) => {
      await connection.query('CREATE TEMPORARY TABLE rows (line text) ON COMMIT DROP');
      const stream = connection.query(copyFrom('COPY rows FROM STDIN'));
      stream.write('row 1\n');
      stream.end('row 2\n');
      await finished(stream);
    });
    await expect(written).rejects.toMatchObject(UNAVAILABLE);
    expect(proxy.muted).toBe(1);
  });

  test('while a COPY is read fails it', async () => {
    proxy.muteAfter('generate_series', 10_000);
    const read = withTenantConnection(db, company, async (connection) => {
      const stream = connection.query(copyTo('COPY (SELECT generate_series(1, 100000)) TO STDOUT'));
      await finished(stream.resume());
    });
    await expect(read).rejects.toMatchObject(UNAVAILABLE);
  });

  test('holds up the end of the process for no longer', async () => {
    const mute = openDatabase({ url: proxy.url, answers: ANSWERS });
    proxy.muteAfter('outbox_due');
    const failed = expect(listDueOutbox(mute, 1)).rejects.toMatchObject(UNAVAILABLE);
    await until('it is asked', () => proxy.muted === 1);
    await mute.close();
    await failed;
  });
});

test('a connection that is reset in a raw query of Prisma is one that does not answer', async () => {
  const cutting = await startTcpProxy(shop.appUrl, (near, far) => {
    near.on('data', (chunk) => {
      if (chunk.includes('app.company_id')) near.resetAndDestroy();
      else far.write(chunk);
    });
    far.on('data', (chunk) => near.write(chunk));
  });
  const cut = openDatabase({ url: cutting.url });
  try {
    const read = withTenant(cut, company, (tx) => tx.campaign.count());
    await expect(read).rejects.toMatchObject(UNAVAILABLE);
  } finally {
    await cut.close();
    await cutting.close();
  }
});

describe('a database that only takes long', () => {
  test('is waited for as long as the work was said to take', async () => {
    const slow = (options?: { timeoutMs: number }): Promise<unknown> =>
      withTenant(db, company, (tx) => tx.$queryRaw`SELECT 1 AS n FROM pg_sleep(2)`, options);
    expect(await slow({ timeoutMs: 21_000 })).toEqual([{ n: 1 }]);
    await expect(slow()).rejects.toMatchObject(UNAVAILABLE);
  });

  test('is not given up by a process that stood still while the answer came', async () => {
    const asked = queryAcross(db, 'SELECT 1 AS n FROM pg_sleep(0.1)');
    await until('it is asked', () => db.pool.totalCount - db.pool.idleCount === 1);
    const end = performance.now() + 3 * ANSWERS.generalMs;
    while (performance.now() < end);
    expect(await asked).toEqual([{ n: 1 }]);
  });

  test('is not given up while a COPY goes on', async () => {
    const rows = await withTenantConnection(db, company, async (connection) => {
      await connection.query('CREATE TEMPORARY TABLE rows (line text) ON COMMIT DROP');
      const stream = connection.query(copyFrom('COPY rows FROM STDIN'));
      const end = performance.now() + 3 * ANSWERS.generalMs;
      await until('it has taken long', () => {
        stream.write('row\n');
        return performance.now() > end;
      });
      stream.end();
      await finished(stream);
      return stream.rowCount;
    });
    expect(rows).toBeGreaterThan(3);
  });

  test('is not given up in a transaction that has nothing to ask', async () => {
    const idle = withTenantConnection(db, company, async (connection) => {
      const end = performance.now() + 2.5 * ANSWERS.generalMs;
      await until('it was idle for long', () => performance.now() > end);
      return connection.query('SELECT 1 AS n');
    });
    expect((await idle).rows).toEqual([{ n: 1 }]);
  });
});

describe('a dispatch whose database falls silent', () => {
  afterEach(() => expectBooksAgree(shop));

  test('at a mark holds up no other company for long, and its people are sent once', async () => {
    const many = openDatabase({ url: proxy.url, answers: ANSWERS });
    try {
      const deps = { ...shop.another(), db: many, share: createFairShare(50) };
      const mute = { ...(await startRace(shop, { recipients: 10 })), lane: 0, fromSeq: 0 };
      const other = { ...(await startRace(shop, { recipients: 10 })), lane: 0, fromSeq: 0 };
      proxy.muteAfter('dispatch_mark');
      const stuck = runLaneTurn(deps, mute, () => false);
      const failed = expect(stuck).rejects.toMatchObject(UNAVAILABLE);
      await until('the mark is lost', () => proxy.muted === 1);
      expect(await runLaneTurn(deps, other, () => false)).toEqual({ kind: 'done' });
      await failed;
      expect(await runLaneTurn(deps, mute, () => false)).toEqual({ kind: 'done' });
      expect(await countStates(shop, mute.executionId)).toEqual({ sent: 10 });
      expect(shop.sandbox.totals()).toMatchObject({ accepted: 20, duplicated: 0 });
    } finally {
      await many.close();
    }
  });

  test('at a settle asks again, and the money moves once', async () => {
    const many = openDatabase({ url: proxy.url, answers: ANSWERS });
    try {
      const race = await startRace(shop, { recipients: 30 });
      proxy.muteAfter('dispatch_settle');
      const deps = { ...shop.another(), db: many };
      const end = await runLaneTurn(deps, { ...race, lane: 0, fromSeq: 0 }, () => false);
      expect([end.kind, proxy.muted]).toEqual(['done', 1]);
      expect(await countStates(shop, race.executionId)).toEqual({ sent: 30 });
      expect(await budgetOf(shop, race.scene)).toMatchObject({ used: 1.5, reserved: 0 });
    } finally {
      await many.close();
    }
  });
});
