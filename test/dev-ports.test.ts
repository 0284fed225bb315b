import { createServer, type Server } from 'node:net';
import { moveAccount, onOtherPorts } from '../dev/dev-state';
import { holdPort } from '../dev/stack/ports';
import { withTenant } from '../prisma/tenant';
import { createEncryption } from '../prisma/encryption';
import { startTestApi } from './support/api';
import { createMeans } from './support/campaigns';

const listening: Server[] = [];
afterAll(() => {
  for (const server of listening) server.close();
});

async function listen(port: number): Promise<void> {
  const server = createServer();
  listening.push(server);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
}

describe('a held port', () => {
  test('is the wanted one, of which two that start side by side hold one each', async () => {
    const first = await holdPort(0);
    await first.release();
    const [one, two] = [await holdPort(first.port), await holdPort(first.port)];
    expect(one.port).toBe(first.port);
    expect(two.port).not.toBe(first.port);
    await Promise.all([one.release(), two.release()]);
  });

  test('can be listened on once it is released, and is another one from then on', async () => {
    const held = await holdPort(0);
    await expect(listen(held.port)).rejects.toThrow('EADDRINUSE');
    await held.release();
    await listen(held.port);
    const next = await holdPort(held.port);
    expect(next.port).not.toBe(held.port);
    await next.release();
  });
});

const login = { email: '', password: '' };
const STATE = {
  apiPort: 3000,
  sandboxPort: 4000,
  people: { director: login, operator: login, supervisor: login },
  webhook: { url: 'http://localhost:3000/v1/webhooks/sandbox/abc', secret: 'whsec-other' },
};

test('a stack on other ports remembers them, and its vendor reports to the new one', () => {
  expect(onOtherPorts(STATE, { apiPort: 3100, sandboxPort: 4100 })).toEqual({
    ...STATE,
    apiPort: 3100,
    sandboxPort: 4100,
    webhook: { url: 'http://localhost:3100/v1/webhooks/sandbox/abc', secret: 'whsec-other' },
  });
});

test('the account at a vendor that has moved gets its new address and keeps its secret', async () => {
  const api = await startTestApi();
  try {
    const { companyId, director } = api.first;
    const { credentialId } = await createMeans(api.deps.db, companyId);
    const shown = await api.request('GET', `/v1/credentials/${credentialId}`, { as: director });
    const { email, password } = director;
    const webhook = { ...STATE.webhook, url: shown.body.webhookUrl };
    const people = { ...STATE.people, director: { email, password } };
    await moveAccount(api.url, { ...STATE, people, webhook }, 'http://127.0.0.1:4100');
    const { encryptedConfig } = await withTenant(api.deps.db, companyId, (tx) =>
      tx.credential.findUniqueOrThrow({ where: { id: credentialId } }),
    );
    const encryption = createEncryption(api.deps.config.ENCRYPTION_KEY);
    expect(JSON.parse(encryption.decrypt(encryptedConfig, companyId, credentialId))).toMatchObject({
      url: 'http://127.0.0.1:4100',
      webhookSecret: 'whsec-other',
    });
  } finally {
    await api.close();
  }
});
