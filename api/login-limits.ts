import { createHash } from 'node:crypto';
import { RegenteError } from '../domain/errors';
import type { Database } from '../prisma/client';
import { countAttempt, forgiveAttempt, type AttemptWindow } from '../prisma/login-attempts';

const MINUTE_MS = 60_000;

interface Limit extends AttemptWindow {
  max: number;
}

export interface CountedAttempt {
  /** The account is over its limit of all addresses together; see `limitsOf`. */
  accountUnderAttack: { retryAfterMs: number } | null;
  /** Takes the attempt back after a good login, so that only failures stay counted. */
  forgive(): Promise<void>;
}

/**
 * Counts a login before it is tried, so that parallel guesses cannot slip past each other.
 *
 * - One address at one account: few, so nobody guesses a password from where they sit.
 * - One address at all accounts: enough for an office behind one address, too few for trying a list.
 * - One account from all addresses: stops a guess that is spread over many machines. This limit alone would let
 *   anybody lock somebody else out, so the caller does not apply it where the account has logged in before.
 *
 * Throws RATE_LIMITED for the first two.
 */
export async function countLogin(
  db: Database,
  { email, ipAddress }: { email: string; ipAddress: string },
): Promise<CountedAttempt> {
  const { pair, address, account } = limitsOf(email, ipAddress);
  const [pairWait, addressWait, accountWait] = await Promise.all(
    [pair, address, account].map((limit) => wait(db, limit)),
  );
  const waits = [pairWait ?? 0, addressWait ?? 0];
  if (Math.max(...waits) > 0) throw tooManyAttempts(Math.max(...waits));
  return {
    accountUnderAttack:
      accountWait === undefined || accountWait === 0 ? null : { retryAfterMs: accountWait },
    async forgive() {
      await Promise.all([pair, address, account].map((limit) => forgiveAttempt(db, limit)));
    },
  };
}

/** Counts a request for a password reset; answers whether one more mail may go to this account. Throws RATE_LIMITED by address. */
export async function countPasswordReset(
  db: Database,
  { email, ipAddress }: { email: string; ipAddress: string },
): Promise<boolean> {
  const [byAddress, byAccount] = await Promise.all([
    wait(db, {
      subject: `reset:address:${addressBlock(ipAddress)}`,
      windowMs: 15 * MINUTE_MS,
      max: 50,
    }),
    wait(db, { subject: `reset:account:${digest(email)}`, windowMs: 60 * MINUTE_MS, max: 5 }),
  ]);
  if (byAddress > 0) throw tooManyAttempts(byAddress);
  return byAccount === 0;
}

/** Counts a try of the present password by somebody who is logged in. Throws RATE_LIMITED. */
export async function countPasswordCheck(
  db: Database,
  userId: string,
): Promise<{ forgive(): Promise<void> }> {
  const limit = { subject: `password:${userId}`, windowMs: 15 * MINUTE_MS, max: 10 };
  const waitMs = await wait(db, limit);
  if (waitMs > 0) throw tooManyAttempts(waitMs);
  return { forgive: () => forgiveAttempt(db, limit) };
}

export function tooManyAttempts(retryAfterMs: number): RegenteError {
  return new RegenteError('RATE_LIMITED', 'Too many attempts; wait before the next one.', {
    retryAfterMs,
  });
}

function limitsOf(email: string, ipAddress: string): Record<'pair' | 'address' | 'account', Limit> {
  const block = addressBlock(ipAddress);
  const account = digest(email);
  return {
    pair: { subject: `login:pair:${account}:${block}`, windowMs: 15 * MINUTE_MS, max: 10 },
    address: { subject: `login:address:${block}`, windowMs: 15 * MINUTE_MS, max: 100 },
    account: { subject: `login:account:${account}`, windowMs: 60 * MINUTE_MS, max: 100 },
  };
}

/** Milliseconds until the window ends when this attempt is beyond the limit, else 0. */
async function wait(db: Database, limit: Limit): Promise<number> {
  const attempts = await countAttempt(db, limit);
  return attempts > limit.max ? limit.windowMs - (Date.now() % limit.windowMs) : 0;
}

/** The table of attempts needs no e-mail addresses to count them. */
const digest = (email: string): string =>
  createHash('sha256').update(email.toLowerCase()).digest('base64url');

/** An IPv4 address, or the /64 of an IPv6 address: whoever has one of its addresses has them all. */
export function addressBlock(ipAddress: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(ipAddress)?.[1];
  if (mapped !== undefined) return mapped;
  if (!ipAddress.includes(':')) return ipAddress;
  const [head = '', tail] = ipAddress.toLowerCase().split('%')[0]?.split('::') ?? [];
  const before = head === '' ? [] : head.split(':');
  const after = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = Array.from({ length: Math.max(0, 8 - before.length - after.length) }, () => '0');
  const groups = tail === undefined ? before : [...before, ...zeros, ...after];
  return `${groups
    .slice(0, 4)
    .map((group) => group.replace(/^0+(?=.)/, ''))
    .join(':')}::/64`;
}
