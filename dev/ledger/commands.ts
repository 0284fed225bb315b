import { resolve } from 'node:path';
import {
  growingTables,
  listMonths,
  takeTurn,
  withLedger,
  type LedgerMonth,
} from '../../prisma/ledger-archives/index';
import { archiveMonth } from './archive';
import { restoreMonth } from './restore';

export const LEDGER_USAGE = `  ledger:months  lists the months of the ledger: rows, size, what is still open
  ledger:archive --month 2026-08 --to DIR [--drop]
                 writes a month to files, reads them back and takes it out of the ledger; run it again
                 if it was interrupted; --drop removes the detached table as well
  ledger:restore --month 2026-08 [--from DIR]
                 puts an archived month back`;

/** A command on the ledger's months, as the command line names it. */
export type LedgerCommand =
  | { name: 'months' }
  | { name: 'archive'; month: string; to: string; drop: boolean }
  | { name: 'restore'; month: string; from: string | undefined };

/**
 * Runs one command as the owner of the tables; `say` gets a line for every step that is done. Throws RegenteError for
 * what cannot be done.
 */
export async function runLedgerCommand(
  ownerUrl: string,
  command: LedgerCommand,
  say: (line: string) => void,
): Promise<void> {
  await withLedger(ownerUrl, async (ledger) => {
    switch (command.name) {
      case 'months': {
        const [months, tables] = [await listMonths(ledger), await growingTables(ledger)];
        for (const line of [...showMonths(months), '', ...showTables(tables, months)]) say(line);
        return;
      }
      case 'archive': {
        const { month, to, drop } = command;
        await takeTurn(ledger);
        return archiveMonth(ledger, { month, directory: resolve(to), drop }, say);
      }
      case 'restore': {
        const { month, from } = command;
        await takeTurn(ledger);
        const directory = from === undefined ? undefined : resolve(from);
        return restoreMonth(ledger, { month, directory }, say);
      }
    }
  });
}

function showMonths(months: readonly LedgerMonth[]): string[] {
  return aligned([
    ['month', 'place', 'rows', 'MB', 'queued or sending', 'unknown', 'executions not ended'],
    ...months.map(({ month, place, rows, bytes, messages, unknown, executions }) => [
      month,
      place,
      ...(place === 'absent'
        ? ['-', '-', '-', '-']
        : [rows, megabytes(bytes), messages, unknown].map(String)),
      String(executions),
    ]),
  ]);
}

function showTables(
  tables: readonly { name: string; bytes: number }[],
  months: readonly LedgerMonth[],
): string[] {
  const rows = months.reduce((sum, month) => sum + month.rows, 0);
  const bytes = months.reduce((sum, month) => sum + month.bytes, 0);
  const perMillion = (size: number): string =>
    rows === 0 ? '-' : megabytes((size / rows) * 1_000_000);
  return aligned([
    ['table', 'MB', 'MB per million messages'],
    ...[{ name: 'communications', bytes }, ...tables].map((table) => [
      table.name,
      megabytes(table.bytes),
      perMillion(table.bytes),
    ]),
  ]);
}

const megabytes = (bytes: number): string => (bytes / 1024 ** 2).toFixed(1);

/** Columns as wide as their widest cell; the first two to the left, numbers to the right. */
function aligned(lines: readonly (readonly string[])[]): string[] {
  const widths = (lines[0] ?? []).map((_, at) =>
    Math.max(...lines.map((line) => line[at]?.length ?? 0)),
  );
  return lines.map((line) =>
    line
      .map((cell, at) => {
        const width = widths[at] ?? 0;
        return /^[\d.-]+$/.test(cell) && at > 0 ? cell.padStart(width) : cell.padEnd(width);
      })
      .join('  ')
      .trimEnd(),
  );
}
