import { startMoneyApi, type MoneyApi, type Tenant } from './support/money-api';

let api: MoneyApi;
let tenant: Tenant;
beforeAll(async () => {
  api = await startMoneyApi();
  tenant = await api.tenant();
});
afterAll(() => api.stop());

const pointers = ({ errors }: { errors: { pointer: string }[] }): string[] =>
  errors.map(({ pointer }) => pointer);

test.each([
  ['wallets', ['name']],
  ['brokers', ['name']],
  ['fish', ['name']],
  ['templates', ['name', 'templateCode']],
  ['squads', ['name']],
  ['api-keys', ['name']],
  ['campaigns', ['name']],
])('a line of text of %s takes no control character', async (path, fields) => {
  for (const character of ['\u0000', '\u0007', '\n', '\u0085']) {
    const body = Object.fromEntries(fields.map((field) => [field, `a${character}b`]));
    const answer = await tenant.call('POST', `/v1/${path}`, { body });
    expect(answer.status).toBe(400);
    for (const field of fields) expect(pointers(answer.body)).toContain(`/${field}`);
  }
});

test.each([
  ['templates', 'content'],
  ['blocklist', 'reason'],
  ['opt-outs', 'reason'],
  ['campaigns', 'description'],
  ['campaigns', 'baseMessage'],
])(
  'a text of %s (%s) takes line breaks and tabs, and no other control character',
  async (path, field) => {
    const refused = async (text: string): Promise<boolean> => {
      const { body } = await tenant.call('POST', `/v1/${path}`, { body: { [field]: text } });
      return pointers(body).includes(`/${field}`);
    };
    expect([await refused('a\u0000b'), await refused('a\u001bb')]).toEqual([true, true]);
    expect(await refused('a\r\n\tb')).toBe(false);
  },
);
