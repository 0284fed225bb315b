import { Agent, request, type RequestListener } from 'node:http';
import { serverOf, startHttpServer } from '../api/http-server';
import { until } from './support/until';

interface Reply {
  text: string;
  connection: string | undefined;
}

const LOOPBACK = { host: '127.0.0.1', port: 0 };

/** Rejects with the code of whatever has broken it off. */
const ask = (port: number, agent: Agent): Promise<Reply> =>
  new Promise((resolve, reject) => {
    const options = { host: LOOPBACK.host, port, agent, method: 'POST' };
    const asked = request(options, (response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => (text += chunk.toString()));
      response.on('error', reject);
      response.on('end', () => resolve({ text, connection: response.headers.connection }));
    });
    asked.on('error', reject);
    asked.end('{}');
  });

/** Answers after a moment, as something that asks a database does. */
const answering =
  (afterMs: number, seen: () => void = () => {}): RequestListener =>
  (_request, response) => {
    seen();
    setTimeout(() => response.end('done'), afterMs);
  };

describe('a body', () => {
  const pace = { windowMs: 400, leastBytes: 1_000 };
  const counting: RequestListener = (request, response) => {
    let bytes = 0;
    request.on('data', (chunk: Buffer) => (bytes += chunk.length));
    request.on('end', () => response.end(`${bytes} bytes`));
  };
  /** Sends so many pieces, one every 20 ms, and answers what it hears. */
  async function trickle(pieceBytes: number, listener = counting, pieces = 80): Promise<string> {
    const server = await startHttpServer(listener, { ...LOOPBACK, pace });
    const call = request({ host: LOOPBACK.host, port: server.port, method: 'POST' });
    const answer = new Promise<string>((resolve) => {
      call.on('error', () => resolve('cut'));
      call.on('response', (response) => {
        response.on('data', (chunk: Buffer) => resolve(chunk.toString()));
      });
    });
    let sent = 0;
    const timer = setInterval(() => {
      if (sent++ < pieces) call.write(Buffer.alloc(pieceBytes));
      else call.end();
    }, 20);
    const said = await answer;
    clearInterval(timer);
    call.destroy();
    await server.close();
    return said;
  }

  test('may take much longer than Node allows a request, while it comes', async () => {
    const server = serverOf(counting);
    expect(server).toMatchObject({ requestTimeout: 0, headersTimeout: 60_000 });
    expect(await trickle(200)).toBe('16000 bytes');
  });

  test('that only trickles is cut, also where nobody reads it', async () => {
    expect(await trickle(1, counting, Infinity)).toBe('cut');
    expect(await trickle(1, () => {}, Infinity)).toBe('cut');
  });

  test('that waits to be read is not', async () => {
    const late: RequestListener = (request, response) =>
      void setTimeout(() => counting(request, response), 3 * pace.windowMs);
    expect(await trickle(2_000, late, 40)).toBe('80000 bytes');
  });
});

test('forty connections that never rest are all ended by an answer, within a second or two', async () => {
  const server = await startHttpServer(answering(5), LOOPBACK);
  const ends: (string | undefined)[] = [];
  const last: Reply[] = [];
  let answered = 0;
  const callers = Array.from({ length: 40 }, async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    try {
      for (;;) {
        const reply = await ask(server.port, agent);
        answered += 1;
        if (reply.connection === 'close') last.push(reply);
      }
    } catch (error) {
      ends.push((error as NodeJS.ErrnoException).code);
    }
    agent.destroy();
  });
  await until('they are all busy', () => Promise.resolve(answered > 400));
  const began = performance.now();
  await server.close();
  expect(performance.now() - began).toBeLessThan(3_000);
  await Promise.all(callers);
  // What is refused a connection was not broken off.
  expect(new Set(ends)).toEqual(new Set(['ECONNREFUSED']));
  expect(last).toEqual(Array.from({ length: 40 }, () => ({ text: 'done', connection: 'close' })));
});

test('a request that runs is answered, and its connection does not hold the end up', async () => {
  let running = false;
  const server = await startHttpServer(
    answering(800, () => (running = true)),
    LOOPBACK,
  );
  const agent = new Agent({ keepAlive: true });
  const asked = ask(server.port, agent);
  await until('it runs', () => Promise.resolve(running));
  const began = performance.now();
  await server.close();
  expect(performance.now() - began).toBeLessThan(4_000);
  expect((await asked).text).toBe('done');
  agent.destroy();
});

test('a request that comes on a resting connection while the server closes is answered', async () => {
  const server = await startHttpServer(answering(0), LOOPBACK);
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  await ask(server.port, agent);
  const closed = server.close();
  expect(await ask(server.port, agent)).toEqual({ text: 'done', connection: 'close' });
  await closed;
  agent.destroy();
});
