import { randomUUID } from 'node:crypto';
import type { NoticePurpose } from '../domain/notices';
import type { Database } from './client';
import type { Encryption } from './encryption';
import { queryAcross, type TenantTx } from './tenant';
import { hashToken, newToken } from './tokens';
import { currentTraceParent } from '../telemetry/traces';

const DAY_MS = 24 * 3_600_000;
const LIFE_MS: Readonly<Record<NoticePurpose, number>> = {
  invitation: 7 * DAY_MS,
  password_reset: DAY_MS / 24,
};

export interface TokenOwner {
  companyId: string;
  userId: string;
  purpose: NoticePurpose;
}

/**
 * Makes a single-use token in place of the earlier ones of this purpose. With `delivery` it waits, encrypted, to be
 * sent by e-mail, and the engine is told so; without, only the caller has it.
 */
export async function issueToken(
  tx: TenantTx,
  owner: TokenOwner,
  delivery: Encryption | null,
): Promise<{ id: string; token: string; expiresAt: Date }> {
  const { companyId, userId, purpose } = owner;
  await retireTokens(tx, userId, purpose);
  const id = randomUUID();
  const token = newToken();
  const expiresAt = new Date(Date.now() + LIFE_MS[purpose]);
  const pendingDelivery = delivery?.encrypt(token, companyId, id) ?? null;
  await tx.verificationToken.create({
    data: { id, ...owner, tokenHash: hashToken(token), pendingDelivery, expiresAt },
  });
  if (delivery !== null)
    await tx.outbox.create({
      data: { companyId, topic: 'notice', subjectId: id, traceParent: currentTraceParent() },
    });
  return { id, token, expiresAt };
}

/** Ends the unused tokens of this person, all or those of one purpose, sent or not. */
export async function retireTokens(
  tx: TenantTx,
  userId: string,
  purpose?: NoticePurpose,
): Promise<void> {
  await tx.verificationToken.updateMany({
    where: { userId, usedAt: null, ...(purpose === undefined ? {} : { purpose }) },
    data: { usedAt: new Date(), pendingDelivery: null },
  });
}

/** Whose token this is; nothing for one that is unknown, used, expired or for something else. */
export async function lookupToken(
  db: Database,
  token: string,
  purpose: NoticePurpose,
): Promise<{ tokenId: string; companyId: string; userId: string } | undefined> {
  const [owner] = await queryAcross<{ tokenId: string; companyId: string; userId: string }>(
    db,
    `SELECT token_id AS "tokenId", company_id AS "companyId", user_id AS "userId"
       FROM lookup_verification_token($1) WHERE purpose = $2`,
    [Buffer.from(hashToken(token)), purpose],
  );
  return owner;
}

/** Uses the token up. Answers false when somebody else was faster. */
export async function consumeToken(tx: TenantTx, tokenId: string): Promise<boolean> {
  const { count } = await tx.verificationToken.updateMany({
    where: { id: tokenId, usedAt: null, expiresAt: { gt: new Date() } },
    data: { usedAt: new Date(), pendingDelivery: null },
  });
  return count === 1;
}
