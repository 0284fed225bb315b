import type { HttpBindings } from '@hono/node-server';
import type { Context } from 'hono';
import type { Permission, Role } from '../domain/permissions';
import { RegenteError } from '../domain/errors';
import type { Database } from '../prisma/client';
import type { Encryption } from '../prisma/encryption';
import type { WriteClaim } from '../prisma/idempotency-keys';
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
  /** No more requests are to be sent here, for the process is about to end. */
  isDraining?: () => boolean;
  /** How long a client that uploads may send nothing; a minute when not said. */
  uploadPatienceMs?: number;
}

export interface UserActor {
  type: 'user';
  id: string;
  sessionId: string;
  /** The company that is acted in. An ADMIN's is the one that the request names; everybody else's is their own. */
  companyId: string;
  /** The company that the person, the sessions and the password belong to. */
  homeCompanyId: string;
  role: Role;
  permissions: readonly Permission[];
}

/** Who asks. */
export type Actor =
  | UserActor
  | { type: 'key'; id: string; companyId: string; permissions: readonly Permission[] };

export interface AppEnv {
  /** Of Node's server; without one, in tests of a single app, there are none. */
  Bindings: Partial<HttpBindings>;
  Variables: {
    requestId: string;
    ipAddress: string;
    db: Database;
    encryption: Encryption;
    logger: Logger;
    actor: Actor | undefined;
    /** The running write that an `Idempotency-Key` names; `write` completes it in the transaction of the effect. */
    idempotentWrite: WriteClaim | undefined;
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

/** The person of a route that API keys cannot use. */
export function userOf(c: AppContext): UserActor {
  const actor = actorOf(c);
  if (actor.type === 'key')
    throw new RegenteError('FORBIDDEN', 'Only a logged-in person can do this, not an API key.');
  return actor;
}
