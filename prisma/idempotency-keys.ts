import { randomUUID } from 'node:crypto';
import { RegenteError } from '../domain/errors';
import { Prisma } from './generated/client';
import type { TenantTx } from './tenant';

/** A write that has not said for this long that it is at work is taken over by its repetition. */
const ABANDONED_AFTER = '15 seconds';

interface IdempotencyId {
  companyId: string;
  actorId: string;
  key: string;
}

export interface IdempotencyRequest extends IdempotencyId {
  requestHash: Buffer;
  /** Its repetition waits for nobody: it may be carried out twice at once, and must not come too late. */
  urgent: boolean;
}

/** The right to carry out the write of a key; lost when a repetition takes it over. */
export interface WriteClaim extends IdempotencyId {
  claim: string;
}

export type IdempotencyVerdict =
  | { kind: 'execute'; claim: WriteClaim }
  | { kind: 'replay'; status: number; body: unknown }
  | { kind: 'running' }
  | { kind: 'other_request' };

/** Claims the key for this request, or says what became of the request that had it first. */
export async function beginIdempotentWrite(
  tx: TenantTx,
  { requestHash, urgent, ...id }: IdempotencyRequest,
): Promise<IdempotencyVerdict> {
  const claim = randomUUID();
  const made = await tx.idempotencyKey.createMany({
    data: [{ ...id, requestHash: new Uint8Array(requestHash), claim, state: 'running' }],
    skipDuplicates: true,
  });
  const execute = { kind: 'execute', claim: { ...id, claim } } as const;
  if (made.count === 1) return execute;
  const found = await tx.idempotencyKey.findUnique({ where: { companyId_actorId_key: id } });
  // Refused at this very moment: the next repetition begins anew.
  if (found === null) return { kind: 'running' };
  if (!Buffer.from(found.requestHash).equals(requestHash)) return { kind: 'other_request' };
  if (found.state === 'done')
    return { kind: 'replay', status: found.responseStatus ?? 200, body: found.responseBody };
  // By the database's clock, which also says when the first one was last heard of.
  const takenOver = await tx.$executeRaw`
    UPDATE idempotency_keys SET claim = ${claim}::uuid, touched_at = clock_timestamp()
    WHERE company_id = ${id.companyId}::uuid AND actor_id = ${id.actorId}::uuid AND key = ${id.key}
      AND state = 'running' AND (${urgent} OR touched_at < clock_timestamp() - ${ABANDONED_AFTER}::interval)`;
  return takenOver === 1 ? execute : { kind: 'running' };
}

/** Stores the answer in the transaction of the effect. Throws CONFLICT, and so undoes it, when the claim is lost. */
export async function completeIdempotentWrite(
  tx: TenantTx,
  claim: WriteClaim,
  status: number,
  body: unknown,
): Promise<void> {
  const { count } = await tx.idempotencyKey.updateMany({
    where: { ...claim },
    data: {
      state: 'done',
      responseStatus: status,
      responseBody:
        body === null || body === undefined
          ? Prisma.JsonNull
          : (JSON.parse(JSON.stringify(body)) as Prisma.InputJsonValue),
    },
  });
  if (count === 1) return;
  throw new RegenteError('CONFLICT', 'A repetition of this request has taken its place.', {
    retryAfterMs: 1_000,
  });
}

/** Says that a write is still at work. */
export async function touchIdempotentWrite(
  tx: TenantTx,
  { companyId, actorId, key, claim }: WriteClaim,
): Promise<void> {
  await tx.$executeRaw`
    UPDATE idempotency_keys SET touched_at = clock_timestamp()
    WHERE company_id = ${companyId}::uuid AND actor_id = ${actorId}::uuid AND key = ${key}
      AND state = 'running' AND claim = ${claim}::uuid`;
}

/** A refused or failed write is not remembered: the client may correct it and use the key again. */
export async function dropIdempotentWrite(tx: TenantTx, claim: WriteClaim): Promise<void> {
  await tx.idempotencyKey.deleteMany({ where: { ...claim, state: 'running' } });
}
