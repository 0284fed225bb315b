import { withTenant } from '../prisma/tenant';
import { ok, startCampaignBench, type Campaigner, type CampaignBench } from './support/campaigns';
import { query } from './support/database';

let world: CampaignBench;
let own: Campaigner;
jest.setTimeout(60_000);
beforeAll(async () => {
  world = await startCampaignBench();
  own = await world.campaigner();
}, 300_000);
afterAll(() => world.stop());
beforeEach(() => world.bench.sandbox.reset());

const get = (id: string, path = '', of = own) => ok(of.call('GET', `/${id}${path}`, of.approver));
const retry = (id: string, body?: unknown, of = own) =>
  of.call('POST', `/${id}/retry-failed`, of.approver, body);
const temporary = { rejectCodes: [{ code: 'caixa_cheia', permanent: false }] };

interface Recipient {
  position: number;
  state: string;
  reason: string | null;
  isFish: boolean;
}

async function allRecipients(id: string, filter = ''): Promise<Recipient[]> {
  const people: Recipient[] = [];
  for (let cursor = ''; ;) {
    const page = await get(id, `/recipients?limit=200${filter}${cursor}`);
    people.push(...page.items);
    if (page.nextCursor === null) return people;
    cursor = `&cursor=${page.nextCursor}`;
  }
}

/** The file as rows of cells; these reports have no quoted line breaks. */
const rowsOf = (csv: string, separator = ','): Record<string, string>[] => {
  const [header = '', ...lines] = csv
    .replace(/^\ufeff/, '')
    .trimEnd()
    .split('\r\n');
  const names = header.split(separator);
  return lines.map((line) => {
    const cells = line.split(separator);
    return Object.fromEntries(names.map((name, i) => [name, cells[i] ?? '']));
  });
};

const tally = (states: string[]): Record<string, number> =>
  states.reduce<Record<string, number>>(
    (sum, state) => ({ ...sum, [state]: (sum[state] ?? 0) + 1 }),
    {},
  );

describe('the report', () => {
  let id: string;
  beforeAll(async () => {
    const { companyId } = own.tenant;
    await withTenant(world.bench.db, companyId, async (tx) => {
      await tx.fishContact.create({ data: { companyId, name: 'Bia', phone: '+5511977776666' } });
      await tx.blocklistEntry.create({ data: { companyId, phone: '+5511955550000' } });
    });
    const addresses = ['01', '03', '02'].map((tail) => `+55119999900${tail}`);
    addresses.push('+5511955550000');
    ({ id } = await own.approved({ recipients: 450, addresses }));
    await world.untilState(own, id, 'FINISHED');
    await query(
      world.bench.adminUrl,
      `UPDATE campaign_recipients SET nome = '=HYPERLINK("x")' WHERE company_id = $1 AND position = 7`,
      [companyId],
    );
  });

  test('adds up: counts, list, reasons and file say the same', async () => {
    const { progress } = await get(id);
    expect(progress.counts).toMatchObject({
      recipients: 450,
      sent: 446,
      failed: 3,
      skipped: 1,
      waiting: 0,
    });
    expect(progress.fish).toMatchObject({ recipients: 1, sent: 1 });
    expect(progress.money).toEqual({ reserved: '0.0000', used: '22.3500' });

    const people = await allRecipients(id);
    expect(people.map(({ position }) => position)).toEqual([...Array(451).keys()]);
    const expected = { sent: 446, failed: 3, skipped: 1 };
    expect(tally(people.filter(({ isFish }) => !isFish).map(({ state }) => state))).toEqual(
      expected,
    );

    const { items } = await get(id, '/reasons');
    expect(items).toContainEqual({
      state: 'skipped',
      reason: 'blocklist',
      isFish: false,
      people: 1,
    });
    const reasons = items.filter((each: Recipient) => !each.isFish);
    expect(reasons.reduce((sum: number, each: { people: number }) => sum + each.people, 0)).toBe(
      450,
    );

    const rows = rowsOf(await get(id, '/report.csv'));
    expect(rows).toHaveLength(451);
    const real = rows.filter((row) => row['pescador'] === 'nao');
    expect(tally(real.map((row) => row['estado'] ?? ''))).toEqual(expected);
    const cost = rows.reduce((sum, row) => sum + Number(row['custo']) * 10_000, 0);
    expect(Math.round(cost)).toBe(223_500);
  });

  test('filters by state and reason', async () => {
    const failed = await allRecipients(id, '&state=failed');
    expect(failed.map(({ position }) => position)).toEqual([0, 1, 2]);
    const [first] = failed;
    const one = await allRecipients(id, `&state=failed&reason=${first?.reason}`);
    expect(one.map(({ reason }) => reason)).toEqual([first?.reason]);
    expect(await allRecipients(id, '&state=ERRO')).toEqual(failed);
    expect(await allRecipients(id, '&state=waiting')).toEqual([]);
    expect(rowsOf(await get(id, '/report.csv?state=skipped'))).toHaveLength(1);
  });

  test('opens in a Brazilian Excel, and no name in it is a formula', async () => {
    const { url } = world.api;
    const response = await fetch(`${url}/v1/campaigns/${id}/report.csv?format=excel-br`, {
      headers: { authorization: `Bearer ${own.approver.token}` },
    });
    expect(response.headers.get('content-disposition')).toMatch(
      /^attachment; filename="campanha-AG/,
    );
    const text = Buffer.from(await response.arrayBuffer()).toString('utf8');
    expect(text.charCodeAt(0)).toBe(0xfeff);
    expect(text).toContain(`;"'=HYPERLINK(""x"")";`);
    const sent = rowsOf(text, ';').find((row) => row['estado'] === 'sent');
    expect(sent?.['custo']).toBe('0,0500');
    expect(sent?.['enviado_em']).toMatch(/^\d\d\/\d\d\/\d{4} \d\d:\d\d:\d\d$/);
  });

  test('refuses a cursor that no list gave out', async () => {
    const { status } = await own.call('GET', `/${id}/recipients?cursor=bm9wZQ`, own.approver);
    expect(status).toBe(400);
  });
});

describe('a retry of failed people', () => {
  async function withFailures(people: number, of = own): Promise<string> {
    world.bench.sandbox.configure({ ...temporary, rates: { reject: 0.5 } });
    const { id } = await of.approved({ recipients: people, addresses: ['+5511999990001'] });
    await world.untilState(of, id, 'FINISHED');
    world.bench.sandbox.configure({ rates: { reject: 0 } });
    return id;
  }

  test('goes to them alone, once, and the campaign counts everybody once', async () => {
    const id = await withFailures(200);
    const before = (await get(id)).progress.counts;
    expect(before.failed).toBeGreaterThan(1);
    const answer = await retry(id);
    expect([answer.status, answer.body.state]).toEqual([200, 'APPROVED']);
    await world.untilState(own, id, 'FINISHED');
    const { progress, execution } = await get(id);
    // The number that does not exist is left out: the vendor has refused it for good.
    expect(progress.counts).toMatchObject({ recipients: 200, sent: 199, failed: 1 });
    expect(execution).toMatchObject({ id: answer.body.executionId, type: 'retry' });
    // The fish got theirs beside the count, unless the vendor refused it.
    const accepted = 199 + progress.fish.sent;
    expect(world.bench.sandbox.totals()).toMatchObject({ accepted, unique: accepted });
    expect(
      tally((await allRecipients(id)).filter((each) => !each.isFish).map(({ state }) => state)),
    ).toEqual({ sent: 199, failed: 1 });
    const { items } = await get(id, '/executions');
    expect(items.map((each: { type: string }) => each.type)).toEqual(['retry', 'manual']);
    expect(items[0].counts).toMatchObject({
      recipients: before.failed - 1,
      sent: before.failed - 1,
    });
    expect(items[1].counts).toMatchObject({ recipients: 200, failed: before.failed });

    expect((await retry(id)).status).toBe(409);
    expect((await retry(id, { includePermanent: true })).status).toBe(200);
    await world.untilState(own, id, 'FINISHED');
    expect((await get(id)).progress.counts).toMatchObject({
      recipients: 200,
      sent: 199,
      failed: 1,
    });
  });

  test('asked for by two at once begins once', async () => {
    const id = await withFailures(60);
    const answers = await Promise.all([retry(id), retry(id), retry(id)]);
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 409)).toHaveLength(2);
    await world.untilState(own, id, 'FINISHED');
    expect((await get(id)).progress.counts).toMatchObject({ recipients: 60, sent: 59, failed: 1 });
  });

  test('passes the gate again, and is refused once the price has risen or is counted otherwise', async () => {
    const other = await world.campaigner();
    const { companyId } = other.tenant;
    const id = await withFailures(40, other);
    const failed = (await get(id, '/recipients?state=failed&limit=200', other)).items;
    const last = failed.at(-1);
    await withTenant(world.bench.db, companyId, (tx) =>
      tx.blocklistEntry.create({ data: { companyId, phone: last.address } }),
    );
    const price = (costPerMessage: string, billingUnit = 'message') =>
      withTenant(world.bench.db, companyId, (tx) =>
        tx.broker.update({
          where: { id: other.means.brokerId },
          data: { costPerMessage, billingUnit },
        }),
      );
    await price('0.0600');
    expect((await retry(id, {}, other)).body.errors).toMatchObject([{ pointer: '/brokerId' }]);
    await price('0.0100', 'segment');
    expect((await retry(id, {}, other)).body.errors).toMatchObject([{ pointer: '/brokerId' }]);
    await price('0.0400');
    expect((await retry(id, {}, other)).status).toBe(200);
    await world.untilState(other, id, 'FINISHED');
    const { progress } = await get(id, '', other);
    expect(progress.counts).toMatchObject({ recipients: 40, skipped: 1, failed: 1, sent: 38 });
    const first = 40 - failed.length;
    const again = 38 - first;
    expect(progress.money.used).toBe(((first * 5 + again * 4) / 100).toFixed(4));
  });

  test('cannot be edited', async () => {
    const id = await withFailures(30);
    world.bench.sandbox.configure({ outage: 'hang' });
    await ok(retry(id));
    expect((await own.call('PATCH', `/${id}`, own.tenant.director, { name: 'x' })).status).toBe(
      409,
    );
    world.bench.sandbox.configure({ outage: 'none' });
    await world.untilState(own, id, 'FINISHED');
  });
});

test('a clone is a draft of whoever makes it, with the people and without the fish', async () => {
  const source = await world.campaigner();
  const { companyId, manager } = source.tenant;
  await withTenant(world.bench.db, companyId, (tx) =>
    tx.fishContact.create({ data: { companyId, name: 'Bia', phone: '+5511977776666' } }),
  );
  const fields = { sendWindow: { days: [1, 2, 3, 4, 5, 6, 7], start: '00:00', end: '24:00' } };
  const { id } = await source.approved({ recipients: 25, fields });
  await world.untilState(source, id, 'FINISHED');
  const cloned = await source.call('POST', `/${id}/clone`, source.approver, { name: 'De novo' });
  expect(cloned.status).toBe(201);
  expect(cloned.body).toMatchObject({
    ...fields,
    name: 'De novo',
    state: 'DRAFT',
    clonedFrom: id,
    userId: source.approver.id,
    audience: { source: 'clone', recipients: 25 },
    approval: { submission: null },
  });
  expect(cloned.body.agendamentoId).not.toBe((await get(id, '', source)).agendamentoId);
  await ok(source.call('POST', `/${cloned.body.id}/submit`, source.approver));
  expect((await source.call('POST', `/${cloned.body.id}/approve`, source.approver)).status).toBe(
    403,
  );
  await ok(source.call('POST', `/${cloned.body.id}/approve`, source.tenant.director));
  await world.untilState(source, cloned.body.id, 'FINISHED');
  const { progress } = await get(cloned.body.id, '', source);
  expect(progress.counts).toMatchObject({ recipients: 25, sent: 25 });
  expect(progress.fish).toMatchObject({ recipients: 1, sent: 1 });
  const bare = await source.call('POST', `/${id}/clone`, source.approver, { withAudience: false });
  expect(bare.body.audience).toBeNull();
  expect((await source.call('POST', `/${id}/clone`, manager)).status).toBe(404);
});

describe('server-sent events', () => {
  interface Event {
    event: string;
    id?: string;
    data: string;
  }

  async function* listen(id: string): AsyncGenerator<Event> {
    const response = await fetch(`${world.api.url}/v1/campaigns/${id}/events`, {
      headers: { authorization: `Bearer ${own.approver.token}`, 'last-event-id': '41' },
    });
    expect(response.headers.get('content-type')).toBe('text/event-stream');
    let text = '';
    for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
        const lines = text.slice(0, end).split('\n');
        text = text.slice(end + 2);
        yield Object.fromEntries(lines.map((line) => line.split(/: (.*)/s)));
      }
    }
  }

  test('tell the progress until the end, and then end themselves', async () => {
    world.bench.sandbox.configure({ latency: { kind: 'fixed', ms: 60 } });
    const { id } = await own.approved({ recipients: 3_000 });
    const events: Event[] = [];
    for await (const event of listen(id)) events.push(event);
    const last = events.at(-1);
    expect(last).toMatchObject({ event: 'end', data: 'FINISHED' });
    const progress = events.slice(0, -1).map(({ data }) => JSON.parse(data));
    expect(progress.at(-1)).toMatchObject({ state: 'FINISHED', counts: { sent: 3_000 } });
    const sent = progress.map(({ counts }) => counts.sent as number);
    expect(sent).toEqual([...sent].sort((a, b) => a - b));
    const rates = progress.map(({ ratePerSecond }) => ratePerSecond as number | null);
    expect(Math.max(...rates.map((rate) => rate ?? 0))).toBeGreaterThan(0);
  });

  test('of a campaign that has ended are one progress and the end', async () => {
    const { id } = await own.approved({ recipients: 5 });
    await world.untilState(own, id, 'FINISHED');
    const events: Event[] = [];
    for await (const event of listen(id)) events.push(event);
    expect(events.map(({ event }) => event)).toEqual(['progress', 'end']);
  });
});
