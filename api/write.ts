import { createHash } from 'node:crypto';
import { createMiddleware } from 'hono/factory';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { RegenteError } from '../domain/errors';
import { recordAudit, type AuditActor, type AuditEntry } from '../prisma/audit-logs';
import type { Database } from '../prisma/client';
import {
  beginIdempotentWrite,
  completeIdempotentWrite,
  dropIdempotentWrite,
  touchIdempotentWrite,
} from '../prisma/idempotency-keys';
import { withTenant, type TenantOptions, type TenantTx } from '../prisma/tenant';
import { actorOf, type AppContext, type AppEnv } from './context';

export type Audit = (entry: AuditEntry) => Promise<void>;

export interface WriteOptions<T> extends TenantOptions {
  /** What a repetition is answered with, where the answer itself shows a secret once. */
  remember?: (body: T) => unknown;
}

/**
 * The one way in which the API changes something: effect, audit line and remembered answer in one transaction.
 * `work` returns the body of the answer; `status` is the status that a repetition is answered with.
 */
export async function write<T>(
  c: AppContext,
  db: Database,
  status: number,
  work: (tx: TenantTx, audit: Audit) => Promise<T>,
  { remember = (body) => body, ...options }: WriteOptions<T> = {},
): Promise<T> {
  const { companyId } = actorOf(c);
  const idempotent = c.get('idempotentWrite');
  const run = async (tx: TenantTx): Promise<T> => {
    const body = await work(tx, (entry) => recordAudit(tx, companyId, auditActor(c), entry));
    if (idempotent !== undefined)
      await completeIdempotentWrite(tx, { companyId, ...idempotent }, status, remember(body));
    return body;
  };
  return withTenant(db, companyId, run, options);
}

export function auditActor(c: AppContext): AuditActor {
  const { type, id } = actorOf(c);
  return auditAs(c, type, id);
}

/** For routes without a token, on which the body proves who it is, or nothing does (`system`). */
export function auditAs(
  c: AppContext,
  actorType: AuditActor['actorType'],
  actorId: string | null,
): AuditActor {
  return {
    actorType,
    actorId,
    ipAddress: c.get('ipAddress'),
    userAgent: c.req.header('user-agent')?.slice(0, 400) ?? null,
    requestId: c.get('requestId'),
  };
}

/** For a write that takes minutes: its repetition must not take it for dead. */
export async function keepIdempotentWrite(c: AppContext, db: Database): Promise<void> {
  const idempotent = c.get('idempotentWrite');
  if (idempotent === undefined) return;
  const { companyId } = actorOf(c);
  await withTenant(db, companyId, (tx) => touchIdempotentWrite(tx, { companyId, ...idempotent }));
}

const KEY = /^[\x21-\x7e]{1,255}$/;
/** Larger bodies (audience files) are told apart by their length and type only; their content is not read twice. */
const HASHED_BODY_LIMIT = 1_048_576;

declare module 'hono' {
  interface ContextVariableMap {
    db: Database;
  }
}

/** Answers a repeated write with the first answer; a write without the header passes. */
export function idempotent() {
  return createMiddleware<AppEnv>(async (c, next) => {
    const key = c.req.header('idempotency-key');
    if (key === undefined) return next();
    if (!KEY.test(key)) {
      throw new RegenteError(
        'VALIDATION',
        'Idempotency-Key must be 1 to 255 visible ASCII characters.',
        {
          fields: [{ pointer: 'Idempotency-Key', detail: '1 to 255 visible ASCII characters' }],
        },
      );
    }
    const actor = actorOf(c);
    const db = c.get('db');
    const id = { companyId: actor.companyId, actorId: actor.id, key };
    const requestHash = await hashRequest(c);
    const verdict = await withTenant(db, actor.companyId, (tx) =>
      beginIdempotentWrite(tx, { ...id, requestHash }),
    );
    switch (verdict.kind) {
      case 'replay':
        c.header('Idempotent-Replayed', 'true');
        return verdict.status === 204 || verdict.body === null
          ? c.body(null, 204)
          : c.json(verdict.body as object, verdict.status as ContentfulStatusCode);
      case 'running':
        throw new RegenteError(
          'CONFLICT',
          'The first request with this Idempotency-Key is still running.',
          { retryAfterMs: 1_000 },
        );
      case 'other_request':
        throw new RegenteError('CONFLICT', 'This Idempotency-Key was used for another request.');
      case 'execute':
        break;
    }
    c.set('idempotentWrite', { key, actorId: actor.id });
    await next();
    if (c.error !== undefined || c.res.status >= 400) {
      await withTenant(db, actor.companyId, (tx) => dropIdempotentWrite(tx, id));
    }
    return undefined;
  });
}

async function hashRequest(c: AppContext): Promise<Buffer> {
  const hash = createHash('sha256').update(`${c.req.method} ${c.req.path}\n`);
  const length = c.req.header('content-length');
  if (length !== undefined && Number(length) <= HASHED_BODY_LIMIT) {
    hash.update(Buffer.from(await c.req.arrayBuffer()));
  } else {
    hash.update(`${c.req.header('content-type') ?? ''} ${length ?? ''}`);
  }
  return hash.digest();
}
