import type { Context } from 'hono';
import type { Permission, Role } from '../domain/permissions';
import { RegenteError } from '../domain/errors';
import type { Database } from '../prisma/client';
import type { Encryption } from '../prisma/encryption';
import type { Config } from '../config';
import type { Logger } from '../telemetry';
import type { Engine } from './engine';

/** What the routes need; built once by the entry file, or by a test. */
export interface ApiDeps {
  config: Config;
  db: Database;
  encryption: Encryption;
  engine: Engine;
  logger: Logger;
}

/** Who asks. An ADMIN acts in the company that the request names; everybody else in their own. */
export type Actor =
  | {
      type: 'user';
      id: string;
      sessionId: string;
      companyId: string;
      role: Role;
      permissions: readonly Permission[];
    }
  | { type: 'key'; id: string; companyId: string; permissions: readonly Permission[] };

/** The running write that an `Idempotency-Key` names; `write` completes it in the transaction of the effect. */
export interface IdempotentWrite {
  key: string;
  actorId: string;
}

export interface AppEnv {
  Variables: {
    requestId: string;
    ipAddress: string;
    actor: Actor | undefined;
    idempotentWrite: IdempotentWrite | undefined;
  };
}

export type AppContext = Context<AppEnv>;

/** The actor of a route behind `defineRoute`, which has refused everybody else already. */
export function actorOf(c: AppContext): Actor {
  const actor = c.get('actor');
  if (actor === undefined)
    throw new RegenteError('UNAUTHENTICATED', 'Log in, or send an API key, as a bearer token.');
  return actor;
}
