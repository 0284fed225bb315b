import { hash, verify } from '@node-rs/argon2';
import { RegenteError } from '../domain/errors';
import { passwordProblem } from '../domain/passwords';

/** argon2id with the parameters that OWASP recommends: 19 MiB, two passes, one lane. */
const COST = { memoryCost: 19_456, timeCost: 2, parallelism: 1 };

let dummy: Promise<string> | undefined;

export async function hashPassword(password: string): Promise<string> {
  return hash(password, COST);
}

/** Takes as long for an account without a password, or for no account at all, as for a wrong password. */
export async function verifyPassword(
  passwordHash: string | null,
  password: string,
): Promise<boolean> {
  dummy ??= hashPassword('nobody has this password');
  const fallback = await dummy;
  const fits = await verify(passwordHash ?? fallback, password);
  return fits && passwordHash !== null;
}

/** Throws VALIDATION that points at `pointer` when this account must not have this password. */
export function refuseWeakPassword(password: string, email: string, pointer: string): void {
  const detail = passwordProblem(password, email);
  if (detail === null) return;
  throw new RegenteError('VALIDATION', `The password ${detail}.`, {
    fields: [{ pointer, detail }],
  });
}
