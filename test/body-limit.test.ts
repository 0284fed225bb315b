import { once } from 'node:events';
import { request } from 'node:http';
import { getRequestListener } from '@hono/node-server';
import { Hono } from 'hono';
import { limitBody } from '../api/body-limit';
import type { AppEnv } from '../api/context';
import { answerError } from '../api/errors';
import { createLogger } from '../telemetry';
import { listen, type Listening } from './support/listen';
import { until } from './support/until';

let server: Listening;
let refusals: unknown[] = [];
beforeAll(async () => {
  const logger = createLogger('silent', 'test');
  const app = new Hono<AppEnv>();
  app.onError((error, c) => {
    refusals.push(error);
    return answerError(error, c, logger);
  });
  app.post('/', limitBody({ takesFiles: false, withinMs: 300 }), async (c) =>
    c.text(`${(await c.req.arrayBuffer()).byteLength} bytes`),
  );
  const answer = getRequestListener(app.fetch);
  server = await listen((incoming, outgoing) => void answer(incoming, outgoing));
});
afterAll(() => server.close());

/** What is answered to a body of which the end is or is not sent. */
function send(
  parts: string[],
  { headers, ends }: { headers: Record<string, string>; ends: boolean },
): Promise<{ status: number | undefined; connection: string | undefined; text: string }> {
  return new Promise((resolve, reject) => {
    const call = request(server.url, { method: 'POST', headers }, (response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => (text += chunk.toString()));
      response.on('end', () => {
        resolve({ status: response.statusCode, connection: response.headers.connection, text });
        call.destroy();
      });
    });
    call.on('error', reject);
    call.flushHeaders();
    for (const part of parts) call.write(part);
    if (ends) call.end();
  });
}

const ANNOUNCED = { 'content-length': '100' };
const CHUNKED = { 'transfer-encoding': 'chunked' };

describe.each([
  ['an announced length', ANNOUNCED],
  ['no announced length', CHUNKED],
])('a body of %s', (_, headers) => {
  test('that does not come is refused in time, with its connection', async () => {
    const refused = await send(['x'.repeat(40)], { headers, ends: false });
    expect(refused).toMatchObject({ status: 400, connection: 'close' });
    expect(JSON.parse(refused.text)).toMatchObject({ code: 'VALIDATION' });
  });

  test('that breaks off is no error of ours', async () => {
    refusals = [];
    const call = request(server.url, { method: 'POST', headers });
    call.on('error', () => undefined);
    const arrived = once(server.server, 'request');
    call.write('x'.repeat(40));
    await arrived;
    call.destroy();
    await until('it is refused', () => refusals.length > 0);
    expect(refusals).toMatchObject([{ code: 'VALIDATION' }]);
    expect(String(refusals[0])).toContain('broke off');
  });

  test('that comes is read', async () => {
    const answer = await send(['x'.repeat(40), 'y'.repeat(60)], { headers, ends: true });
    expect(answer).toMatchObject({ status: 200, text: '100 bytes' });
  });
});
