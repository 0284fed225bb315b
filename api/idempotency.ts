import { createMiddleware } from 'hono/factory';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { RegenteError } from '../domain/errors';
import type { Database } from '../prisma/client';
import {
  beginIdempotentWrite,
  dropIdempotentWrite,
  touchIdempotentWrite,
  type WriteClaim,
} from '../prisma/idempotency-keys';
import { withTenant, type TenantTx } from '../prisma/tenant';
import { actorOf, type AppContext, type AppEnv } from './context';
import { inTime } from './body-limit';
import { sendsJson } from './uploads';

export const IDEMPOTENCY_KEY_PATTERN = /^[\x21-\x7e]{1,255}$/;
/** Much less than the time after which a write that says nothing counts as dead. */
const BEAT_MS = 3_000;
/** Larger files, and those of no announced length, are told apart by length and type only, for they are read once. */
const HASHED_BODY_LIMIT = 1_048_576;

/**
 * Answers a repeated write with the first answer; a write without the header passes.
 * @param urgent its repetition is carried out also while the first one is, or seems to be, at work
 * @param takesFiles only JSON is in memory already
 */
export function idempotent({ urgent, takesFiles }: { urgent: boolean; takesFiles: boolean }) {
  return createMiddleware<AppEnv>(async (c, next) => {
    const key = c.req.header('idempotency-key');
    if (key === undefined) return next();
    if (!IDEMPOTENCY_KEY_PATTERN.test(key)) {
      throw new RegenteError(
        'VALIDATION',
        'Idempotency-Key must be 1 to 255 visible ASCII characters.',
        {
          fields: [
            { pointer: '/header/idempotency-key', detail: '1 to 255 visible ASCII characters' },
          ],
        },
      );
    }
    const actor = actorOf(c);
    const db = c.get('db');
    const { companyId } = actor;
    const request = {
      companyId,
      actorId: actor.id,
      key,
      urgent,
      requestHash: await hashRequest(c, takesFiles && !sendsJson(c)),
    };
    const verdict = await withTenant(db, companyId, (tx) => beginIdempotentWrite(tx, request));
    switch (verdict.kind) {
      case 'replay':
        c.header('Idempotent-Replayed', 'true');
        return verdict.status === 204 || verdict.body === null
          ? c.body(null, 204)
          : c.json(verdict.body as object, verdict.status as ContentfulStatusCode);
      case 'running':
        throw new RegenteError(
          'CONFLICT',
          'The first request with this Idempotency-Key is still running; ask again in a moment.',
          { retryAfterMs: 1_000 },
        );
      case 'other_request':
        throw new RegenteError(
          'CONFLICT',
          'This Idempotency-Key was used for another request; give each its own.',
        );
      case 'execute':
        await execute(c, db, verdict.claim, next);
        return undefined;
    }
  });
}

/** Runs the write, and says all the while that it is at work: however long it takes, no repetition takes it for dead. */
async function execute(
  c: AppContext,
  db: Database,
  claim: WriteClaim,
  next: () => Promise<void>,
): Promise<void> {
  c.set('idempotentWrite', claim);
  const inTenant = (work: (tx: TenantTx) => Promise<void>): Promise<void> =>
    withTenant(db, claim.companyId, work);
  const beat = setInterval(() => {
    // One that fails is followed by the next; a claim that is lost after all is found out when the write ends.
    inTenant((tx) => touchIdempotentWrite(tx, claim)).catch(() => undefined);
  }, BEAT_MS);
  try {
    await next();
  } finally {
    clearInterval(beat);
  }
  if (c.error !== undefined || c.res.status >= 400)
    await inTenant((tx) => dropIdempotentWrite(tx, claim));
}

/** Of bodies that may hold a password: without the keys of the installation, no guess can be held against it. */
async function hashRequest(c: AppContext, isFile: boolean): Promise<Buffer> {
  const { pathname, search } = new URL(c.req.url);
  const length = c.req.header('content-length');
  const isHashed = !isFile || Number(length ?? Infinity) <= HASHED_BODY_LIMIT;
  return c
    .get('encryption')
    .fingerprint([
      `${c.req.method} ${pathname}${search}\n`,
      isHashed
        ? new Uint8Array(await inTime(c, c.req.arrayBuffer()))
        : `${c.req.header('content-type') ?? ''} ${length ?? ''}`,
    ]);
}
