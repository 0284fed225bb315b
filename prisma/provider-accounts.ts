import { RegenteError } from '../domain/errors';
import type { Encryption } from './encryption';
import type { TenantTx } from './tenant';

/** An account at a vendor, ready to be opened. */
export interface ProviderAccountRow {
  credentialId: string;
  version: number;
  vendor: string;
  config: Record<string, unknown>;
}

/** Which config an account has now; cheap, so that a turn can ask before each piece of work. */
export async function readAccountVersion(
  tx: TenantTx,
  credentialId: string,
): Promise<number | undefined> {
  const row = await tx.credential.findUnique({
    where: { id: credentialId },
    select: { version: true },
  });
  return row?.version;
}

/** The account with its decrypted config. Throws CONFIGURATION when it is gone or cannot be read. */
export async function readProviderAccount(
  tx: TenantTx,
  encryption: Encryption,
  credentialId: string,
): Promise<ProviderAccountRow> {
  const row = await tx.credential.findUnique({
    where: { id: credentialId },
    include: { broker: true },
  });
  if (row === null)
    throw new RegenteError('CONFIGURATION', 'The credential of this campaign is gone.');
  const config = JSON.parse(
    encryption.decrypt(row.encryptedConfig, row.companyId, row.id),
  ) as Record<string, unknown>;
  return { credentialId, version: row.version, vendor: row.broker.provider, config };
}
