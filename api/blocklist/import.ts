import { z } from '@hono/zod-openapi';
import type { NewBlocklistEntry } from '../../domain/blocklist';
import { RegenteError } from '../../domain/errors';
import { addBlocklistEntries } from '../../prisma/blocklist';
import { withTenant } from '../../prisma/tenant';
import { actorOf, type ApiDeps, type AppContext } from '../context';
import { UploadWatch } from '../audience/upload-watch';
import { uploadOf } from '../uploads';
import { auditIn } from '../write';
import { parseBlocklist } from './parse';

const CHUNK_ROWS = 5_000;
const SHOWN_INVALID = 100;

/** What became of the rows: `added + alreadyThere + invalidCount` is all of them. */
export const BlocklistImport = z
  .object({
    added: z.int(),
    alreadyThere: z
      .int()
      .describe('On the list before, or twice in the file; their reason stays as it was.'),
    invalidCount: z.int(),
    invalid: z
      .array(z.object({ line: z.int(), column: z.string().nullable(), reason: z.string() }))
      .describe('The first hundred.'),
  })
  .openapi('BlocklistImport');
type BlocklistImport = z.infer<typeof BlocklistImport>;

/**
 * Adds the rows of the uploaded file, a few thousand in a transaction with its audit line, as they arrive. A file that
 * breaks off leaves what came before on the list, and the problem says how much; importing it again adds the rest.
 */
export async function importBlocklist(
  c: AppContext,
  { config, db, uploadPatienceMs }: ApiDeps,
): Promise<BlocklistImport> {
  const { companyId } = actorOf(c);
  const report: BlocklistImport = { added: 0, alreadyThere: 0, invalidCount: 0, invalid: [] };
  let chunk: NewBlocklistEntry[] = [];
  const flush = async (): Promise<void> => {
    if (chunk.length === 0) return;
    const rows = chunk;
    chunk = [];
    const added = await withTenant(db, companyId, async (tx) => {
      const added = await addBlocklistEntries(tx, companyId, rows);
      const after = { rows: rows.length, added };
      await auditIn(c, tx)({ action: 'blocklist.import', ...wholeList(c), after });
      return added;
    });
    report.added += added;
    report.alreadyThere += rows.length - added;
  };
  const file = await uploadOf(c);
  let receivedBytes = 0;
  const watch = new UploadWatch(file, () => receivedBytes, uploadPatienceMs);
  try {
    const limits = { maxRows: config.AUDIENCE_MAX_ROWS, maxBytes: config.AUDIENCE_MAX_BYTES };
    const lines = parseBlocklist(file, limits, (bytes) => (receivedBytes += bytes));
    for await (const row of lines) {
      if (row.ok) chunk.push(row.entry);
      else if (++report.invalidCount <= SHOWN_INVALID) {
        const { line, column, reason } = row;
        report.invalid.push({ line, column, reason });
      }
      if (chunk.length >= CHUNK_ROWS) await watch.whileBusy(flush);
    }
    await watch.whileBusy(flush);
  } catch (error) {
    throw report.added > 0 ? withProgress(error, report) : error;
  } finally {
    watch.stop();
  }
  return report;
}

/** In the audit, a change of many entries at once is a change of the company's one list. */
export function wholeList(c: AppContext): { entityType: string; entityId: string } {
  return { entityType: 'blocklist', entityId: actorOf(c).companyId };
}

function withProgress(error: unknown, { added, alreadyThere }: BlocklistImport): unknown {
  if (!(error instanceof RegenteError)) return error;
  const message = `${error.message} ${added} entries were added before; importing the file again adds the rest.`;
  return new RegenteError(error.code, message, {
    fields: error.fields,
    details: { ...error.details, added, alreadyThere },
    ...(error.retryAfterMs === undefined ? {} : { retryAfterMs: error.retryAfterMs }),
    cause: error,
  });
}
