import { randomBytes } from 'node:crypto';
import { TERMINAL_STATES } from '../domain/campaigns';
import type {
  CredentialFilter,
  CredentialInput,
  CredentialPatch,
} from '../domain/credentials.schema';
import { notFound, RegenteError } from '../domain/errors';
import { refuseInUse, unknownReference, unlessTaken } from './conflicts';
import type { Encryption } from './encryption';
import type { Prisma } from './generated/client';
import type { PageArgs } from './paging';
import type { TenantTx } from './tenant';

const TAKEN = {
  message: 'This wallet has an active credential for this broker already; deactivate it first.',
  pointer: '/brokerId',
};

/** Without the config: what is shown and audited never holds it. */
const SHOWN = {
  omit: { encryptedConfig: true },
  include: { broker: { select: { provider: true } } },
} as const;
export type ShownCredential = Prisma.CredentialGetPayload<typeof SHOWN>;

export async function listCredentials(
  tx: TenantTx,
  filter: CredentialFilter,
  { after, ...page }: PageArgs,
): Promise<ShownCredential[]> {
  return tx.credential.findMany({ where: { ...after, ...filter }, ...page, ...SHOWN });
}

/** Throws NOT_FOUND; another company's credential is not found either. */
export async function getCredential(tx: TenantTx, id: string): Promise<ShownCredential> {
  const credential = await tx.credential.findUnique({ where: { id }, ...SHOWN });
  if (credential === null) throw notFound('credential');
  return credential;
}

/**
 * The provider of a broker, which stays what it is until the transaction ends.
 * Throws NOT_FOUND with a pointer for a broker that the company does not have.
 */
export async function lockProviderOf(tx: TenantTx, brokerId: string): Promise<string> {
  const [broker] = await tx.$queryRaw<{ provider: string }[]>`
    SELECT provider FROM brokers WHERE id = ${brokerId}::uuid FOR KEY SHARE`;
  if (broker === undefined) throw unknownReference('broker');
  return broker.provider;
}

/**
 * Encrypts the config, which the caller has had checked by the vendor.
 * Throws NOT_FOUND for a wallet of nobody, CONFLICT when the pair has an active credential.
 */
export async function createCredential(
  tx: TenantTx,
  companyId: string,
  encryption: Encryption,
  { config, ...input }: CredentialInput,
): Promise<ShownCredential> {
  const wallet = await tx.wallet.count({ where: { id: input.walletId } });
  if (wallet === 0) throw unknownReference('wallet');
  const id = await newId(tx);
  const data = {
    ...input,
    id,
    companyId,
    ...sealed(encryption, companyId, id, config),
    webhookToken: randomBytes(32).toString('base64url'),
  };
  return unlessTaken(tx.credential.create({ data, ...SHOWN }), TAKEN);
}

/** A new config raises `version`: a vendor's idempotency keys are only good at the account they were used with. */
export async function updateCredential(
  tx: TenantTx,
  { id, companyId }: Pick<ShownCredential, 'id' | 'companyId'>,
  encryption: Encryption,
  { config, active }: CredentialPatch,
): Promise<ShownCredential> {
  const renewed =
    config === undefined
      ? {}
      : { ...sealed(encryption, companyId, id, config), version: { increment: 1 } };
  const updated = tx.credential.update({ where: { id }, data: { active, ...renewed }, ...SHOWN });
  return unlessTaken(updated, TAKEN);
}

/** Throws CONFLICT while an execution has not ended, and when one that ended was sent with it: its history stays. */
export async function deleteCredential(tx: TenantTx, id: string): Promise<void> {
  const unfinished = { credentialId: id, state: { notIn: [...TERMINAL_STATES] } };
  refuseInUse('credential', {
    'unfinished executions': await tx.campaignExecution.count({ where: unfinished }),
  });
  const executions = await tx.campaignExecution.count({ where: { credentialId: id } });
  if (executions > 0) {
    throw new RegenteError(
      'CONFLICT',
      'Campaigns were sent with this credential and their history refers to it; set active to false instead.',
      { details: { usedBy: { executions } } },
    );
  }
  await tx.credential.delete({ where: { id } });
}

function sealed(
  encryption: Encryption,
  companyId: string,
  id: string,
  config: Record<string, unknown>,
) {
  return {
    encryptedConfig: encryption.encrypt(JSON.stringify(config), companyId, id),
    configKeys: Object.keys(config).sort(),
  };
}

/** The id is part of what the encryption authenticates, so it must be known before the row is written. */
async function newId(tx: TenantTx): Promise<string> {
  const [row] = await tx.$queryRaw<{ id: string }[]>`SELECT uuidv7()::text AS id`;
  if (row === undefined) throw new RegenteError('INTERNAL', 'The database made no id.');
  return row.id;
}
