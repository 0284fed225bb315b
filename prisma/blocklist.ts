import type { NewBlocklistEntry } from '../domain/blocklist';
import type { BlocklistFilter, BlocklistInput, BlocklistPatch } from '../domain/blocklist.schema';
import { notFound, RegenteError } from '../domain/errors';
import { unlessTaken } from './conflicts';
import { containing } from './filters';
import type { BlocklistEntry } from './generated/client';
import type { PageArgs } from './paging';
import type { TenantTx } from './tenant';

const TAKEN = {
  message: 'The blocklist has an entry with this phone and cpfCnpj already.',
  pointer: '/phone',
};

export async function listBlocklist(
  tx: TenantTx,
  filter: BlocklistFilter,
  { after, ...page }: PageArgs,
): Promise<BlocklistEntry[]> {
  const { phone, cpfCnpj, text } = filter;
  return tx.blocklistEntry.findMany({
    where: { ...after, phone, cpfCnpj, reason: containing(text) },
    ...page,
  });
}

/** Throws NOT_FOUND; another company's entry is not found either. */
export async function getBlocklistEntry(tx: TenantTx, id: string): Promise<BlocklistEntry> {
  const entry = await tx.blocklistEntry.findUnique({ where: { id } });
  if (entry === null) throw notFound('blocklist entry');
  return entry;
}

/** Throws CONFLICT when the company blocks the same phone and cpfCnpj already. */
export async function createBlocklistEntry(
  tx: TenantTx,
  companyId: string,
  input: BlocklistInput,
): Promise<BlocklistEntry> {
  return unlessTaken(tx.blocklistEntry.create({ data: { companyId, ...input } }), TAKEN);
}

/** Throws VALIDATION for an entry that would block nobody. */
export async function updateBlocklistEntry(
  tx: TenantTx,
  before: BlocklistEntry,
  input: BlocklistPatch,
): Promise<BlocklistEntry> {
  const { phone, cpfCnpj } = { ...before, ...input };
  if (phone === null && cpfCnpj === null) {
    throw new RegenteError('VALIDATION', 'The entry would block nobody.', {
      fields: [{ pointer: '/phone', detail: 'phone or cpfCnpj must stay' }],
    });
  }
  const updated = tx.blocklistEntry.update({ where: { id: before.id }, data: input });
  return unlessTaken(updated, TAKEN);
}

export async function deleteBlocklistEntry(tx: TenantTx, id: string): Promise<void> {
  await tx.blocklistEntry.delete({ where: { id } });
}

/** Deletes what is there of these ids and answers it. */
export async function deleteBlocklistEntries(
  tx: TenantTx,
  ids: readonly string[],
): Promise<BlocklistEntry[]> {
  return tx.$queryRaw<BlocklistEntry[]>`
    DELETE FROM blocklist_entries WHERE id = ANY (${ids}::uuid[])
    RETURNING id, company_id AS "companyId", phone, cpf_cnpj AS "cpfCnpj", reason,
      created_at AS "createdAt", updated_at AS "updatedAt"`;
}

/**
 * Adds all of them in one statement and answers how many the list did not have yet. They are taken in one order, so
 * that two imports of the same people wait for each other and never in a circle.
 */
export async function addBlocklistEntries(
  tx: TenantTx,
  companyId: string,
  entries: readonly NewBlocklistEntry[],
): Promise<number> {
  return tx.$executeRaw`
    INSERT INTO blocklist_entries (company_id, phone, cpf_cnpj, reason)
    SELECT ${companyId}::uuid, e.phone, e."cpfCnpj", e.reason
      FROM jsonb_to_recordset(${JSON.stringify(entries)}::jsonb) AS e(phone text, "cpfCnpj" text, reason text)
      ORDER BY e.phone, e."cpfCnpj"
    ON CONFLICT DO NOTHING`;
}
