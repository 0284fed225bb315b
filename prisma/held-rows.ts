import { Prisma } from './generated/client';
import type { TenantTx } from './tenant';

type HeldTable =
  | 'blocklist_entries'
  | 'brokers'
  | 'budgets'
  | 'credentials'
  | 'fish_contacts'
  | 'squad_members'
  | 'squads'
  | 'templates'
  | 'wallets';

/**
 * Reads a row that nobody else changes or deletes until the transaction ends: of two changes at once, the second one
 * reads what the first one has made. References to the row are not held up. Throws what `read` throws.
 */
export async function held<T>(
  tx: TenantTx,
  table: HeldTable,
  id: string,
  read: (tx: TenantTx, id: string) => Promise<T>,
): Promise<T> {
  await tx.$executeRaw`SELECT FROM ${Prisma.raw(table)} WHERE id = ${id}::uuid FOR NO KEY UPDATE`;
  return read(tx, id);
}
