import { connect } from 'node:net';
import { SANDBOX_TOKEN, startSandbox } from '../dev/sandbox';
import type { Sandbox } from '../dev/sandbox';

let sandbox: Sandbox;

beforeEach(async () => {
  sandbox = await startSandbox();
});

afterEach(() => sandbox.stop());

/** Writes raw bytes, piece by piece, and reads until `replies` replies came or the connection ended. */
async function talk(port: number, pieces: string[], replies: number): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  let read = '';
  const done = new Promise<void>((resolve) => {
    socket.on('data', (chunk) => {
      read += chunk.toString();
      if (read.split('HTTP/1.1 ').length > replies) resolve();
    });
    socket.once('close', () => resolve());
    socket.once('error', () => resolve());
  });
  for (const piece of pieces) {
    socket.write(piece);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await done;
  socket.destroy();
  return read;
}

const wire = (reference: string): string => {
  const body = JSON.stringify({
    reference,
    channel: 'sms',
    to: '+5511987654321',
    body: 'Olá, João',
  });
  return `POST /v1/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${SANDBOX_TOKEN}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
};

test('requests in one packet are answered in turn, and a request may come in pieces', async () => {
  const both = await talk(sandbox.port, [wire('p-1') + wire('p-2')], 2);
  expect(both.match(/HTTP\/1.1 201 Created/g)).toHaveLength(2);
  const bytes = wire('p-3');
  const pieces = Array.from({ length: bytes.length }, (_, index) => bytes[index] ?? '');
  expect(await talk(sandbox.port, pieces, 1)).toContain('201 Created');
  expect(sandbox.accepted().map(({ reference }) => reference)).toEqual(['p-1', 'p-2', 'p-3']);
  expect(sandbox.messages().at(-1)?.body).toBe('Olá, João');
});

test('what it cannot read is refused with a status, and the connection ends', async () => {
  const { port } = sandbox;
  const refused: [string, number][] = [
    [`GET / HTTP/1.1\r\nX: ${'x'.repeat(20_000)}`, 431],
    ['POST / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n', 413],
    ['POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n', 413],
    ['POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n', 411],
  ];
  for (const [bytes, status] of refused) {
    expect(await talk(port, [bytes], Infinity)).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
  }
  const closing = await talk(port, ['GET / HTTP/1.1\r\nConnection: close\r\n\r\n'], Infinity);
  expect(closing).toContain(' 401 ');
});
