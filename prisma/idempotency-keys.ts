import { Prisma } from './generated/client';
import type { TenantTx } from './tenant';

/** A write that died is taken over by its repetition after this long. */
const ABANDONED_AFTER_MS = 60_000;

export interface IdempotencyRequest {
  companyId: string;
  actorId: string;
  key: string;
  requestHash: Buffer;
}

export type IdempotencyVerdict =
  | { kind: 'execute' }
  | { kind: 'replay'; status: number; body: unknown }
  | { kind: 'running' }
  | { kind: 'other_request' };

/** Claims the key for this request, or says what became of the request that had it first. */
export async function beginIdempotentWrite(
  tx: TenantTx,
  request: IdempotencyRequest,
): Promise<IdempotencyVerdict> {
  const { companyId, actorId, key } = request;
  const requestHash = new Uint8Array(request.requestHash);
  const made = await tx.idempotencyKey.createMany({
    data: [{ companyId, actorId, key, requestHash, state: 'running' }],
    skipDuplicates: true,
  });
  if (made.count === 1) return { kind: 'execute' };
  const found = await tx.idempotencyKey.findUniqueOrThrow({
    where: { companyId_actorId_key: { companyId, actorId, key } },
  });
  if (!Buffer.from(found.requestHash).equals(request.requestHash)) return { kind: 'other_request' };
  if (found.state === 'done')
    return { kind: 'replay', status: found.responseStatus ?? 200, body: found.responseBody };
  const takenOver = await tx.idempotencyKey.updateMany({
    where: {
      companyId,
      actorId,
      key,
      state: 'running',
      createdAt: { lt: new Date(Date.now() - ABANDONED_AFTER_MS) },
    },
    data: { createdAt: new Date() },
  });
  return takenOver.count === 1 ? { kind: 'execute' } : { kind: 'running' };
}

/** Stores the answer in the transaction of the effect. */
export async function completeIdempotentWrite(
  tx: TenantTx,
  id: { companyId: string; actorId: string; key: string },
  status: number,
  body: unknown,
): Promise<void> {
  await tx.idempotencyKey.update({
    where: { companyId_actorId_key: id },
    data: {
      state: 'done',
      responseStatus: status,
      responseBody:
        body === null || body === undefined
          ? Prisma.JsonNull
          : (JSON.parse(JSON.stringify(body)) as Prisma.InputJsonValue),
    },
  });
}

/** Says that a write is still at work. */
export async function touchIdempotentWrite(
  tx: TenantTx,
  id: { companyId: string; actorId: string; key: string },
): Promise<void> {
  await tx.idempotencyKey.updateMany({
    where: { ...id, state: 'running' },
    data: { createdAt: new Date() },
  });
}

/** A refused or failed write is not remembered: the client may correct it and use the key again. */
export async function dropIdempotentWrite(
  tx: TenantTx,
  id: { companyId: string; actorId: string; key: string },
): Promise<void> {
  await tx.idempotencyKey.deleteMany({ where: { ...id, state: 'running' } });
}
