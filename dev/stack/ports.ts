import { connect, createServer } from 'node:net';
import { RegenteError } from '../../domain/errors';

const LOOPBACK = '127.0.0.1';

/** Binds the port for a moment (0: any free one) and answers its number. */
async function bind(port: number): Promise<number> {
  const held = await listenOn(port);
  await held.release();
  return held.port;
}

/** A port of 127.0.0.1 that is free now; another program may still take it first, so callers try again. */
export const freePort = (): Promise<number> => bind(0);

/** @throws CONFIGURATION when another program listens on this port. `what` begins the message. */
export async function requireFreePort(port: number, what: string): Promise<void> {
  try {
    await bind(port);
  } catch (cause) {
    throw new RegenteError(
      'CONFIGURATION',
      `${what} cannot listen on ${LOOPBACK}:${port}: another program uses this port. ` +
        'End that program or choose another port.',
      { cause, details: { port } },
    );
  }
}

/** Whether something listens on this port of 127.0.0.1. */
export function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: LOOPBACK, timeout: 1_000 });
    const answer = (open: boolean): void => {
      socket.destroy();
      resolve(open);
    };
    socket.once('connect', () => answer(true));
    socket.once('error', () => answer(false));
    socket.once('timeout', () => answer(false));
  });
}

/** A port that is kept from everybody else until it is released for the server that is to listen on it. */
export interface HeldPort {
  port: number;
  release(): Promise<void>;
}

/**
 * Holds this port of 127.0.0.1, or a free one where another program has it; 0 takes any. Starting a stack takes long,
 * and two that start side by side must not both count on the same one.
 */
export async function holdPort(wanted: number): Promise<HeldPort> {
  if (wanted === 0) return listenOn(0);
  // Elsewhere than on Linux, an address can be bound beside a server that listens on all of them.
  if (await isListening(wanted)) return listenOn(0);
  return listenOn(wanted).catch(() => listenOn(0));
}

function listenOn(port: number): Promise<HeldPort> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', reject);
    server.listen({ port, host: LOOPBACK, exclusive: true }, () => {
      const address = server.address();
      const bound = typeof address === 'object' && address !== null ? address.port : port;
      resolve({
        port: bound,
        release: () => new Promise((released) => void server.close(() => released())),
      });
    });
  });
}
