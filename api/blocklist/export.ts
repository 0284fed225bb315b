import { listBlocklist } from '../../prisma/blocklist';
import type { BlocklistEntry } from '../../prisma/generated/client';
import { withTenant } from '../../prisma/tenant';
import type { Database } from '../../prisma/client';
import type { CsvColumn } from '../csv';

const PAGE_ROWS = 2_000;

/** Names that the import understands, so that an exported list can be imported again. */
export const BLOCKLIST_COLUMNS: readonly CsvColumn<BlocklistEntry>[] = [
  { header: 'telefone', cell: (entry) => entry.phone },
  { header: 'cpf_cnpj', cell: (entry) => entry.cpfCnpj },
  { header: 'motivo', cell: (entry) => entry.reason },
  { header: 'criado_em', cell: (entry) => entry.createdAt.toISOString() },
];

/** The whole list, newest first, in pages of short transactions. */
export async function* allBlocklistEntries(
  db: Database,
  companyId: string,
): AsyncGenerator<BlocklistEntry> {
  let after: { id?: { lt: string } } = {};
  for (;;) {
    const page = { take: PAGE_ROWS, orderBy: { id: 'desc' as const }, after };
    const entries = await withTenant(db, companyId, (tx) => listBlocklist(tx, {}, page));
    yield* entries;
    const last = entries.at(-1);
    if (last === undefined || entries.length < PAGE_ROWS) return;
    after = { id: { lt: last.id } };
  }
}
