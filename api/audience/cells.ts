import { isAscii, isUtf8 } from 'node:buffer';
import { parse } from 'csv-parse/sync';
import { RegenteError } from '../../domain/errors';
import { decodeCell, judgeEncoding, type Encoding } from './encoding';
import type { RecordFormat, RecordRun } from './records';

const CR = 13;

/** A record's cells, or which of them could not be read and how it looks. */
export type Cells = { ok: true; cells: string[] } | { ok: false; index: number; value: string };

/**
 * Parses a run of records and decodes their text. `decided` is the file's encoding as far as it is known; the first
 * run that is not ASCII decides.
 */
export function readCells(
  run: RecordRun,
  format: RecordFormat,
  decided: Encoding | null,
): { records: Cells[]; encoding: Encoding | null } {
  if (isAscii(run.bytes))
    return { records: allRead(parseRun(run, format, 'latin1')), encoding: decided };
  const encoding = decided ?? judgeEncoding(run.bytes) ?? 'utf8';
  if (isUtf8(run.bytes)) return { records: allRead(parseRun(run, format, 'utf8')), encoding };
  const records = parseRun(run, format, 'latin1').map((cells) => decodeAll(cells, encoding));
  return { records, encoding };
}

const allRead = (records: string[][]): Cells[] => records.map((cells) => ({ ok: true, cells }));

function decodeAll(cells: string[], encoding: Encoding): Cells {
  const texts: string[] = [];
  for (const [index, cell] of cells.entries()) {
    const text = decodeCell(cell, encoding);
    if (text === null) {
      return { ok: false, index, value: Buffer.from(cell, 'latin1').toString('utf8') };
    }
    texts.push(text);
  }
  return { ok: true, cells: texts };
}

function parseRun(run: RecordRun, format: RecordFormat, encoding: 'latin1' | 'utf8'): string[][] {
  const records = isPlain(run, format)
    ? splitPlain(run.bytes.toString(encoding), format.delimiter)
    : parseQuoted(run, format, encoding);
  if (records.length !== run.lines.length) {
    throw new RegenteError('INTERNAL', 'The CSV parser and the record splitter disagree.', {
      details: { line: run.lines[0], records: records.length, expected: run.lines.length },
    });
  }
  return records;
}

/** Without a quote every delimiter and every line break is one; most files have none. */
function isPlain({ quoted }: RecordRun, { delimiter, newline }: RecordFormat): boolean {
  return !quoted && newline === '\n' && delimiter.length === 1 && delimiter.charCodeAt(0) < 128;
}

function splitPlain(text: string, delimiter: string): string[][] {
  const records: string[][] = [];
  for (let from = 0; from < text.length;) {
    const newline = text.indexOf('\n', from);
    let end = newline === -1 ? text.length : newline;
    const next = end + 1;
    if (newline !== -1 && end > from && text.charCodeAt(end - 1) === CR) end--;
    records.push(text.slice(from, end).split(delimiter));
    from = next;
  }
  return records;
}

function parseQuoted(
  run: RecordRun,
  format: RecordFormat,
  encoding: 'latin1' | 'utf8',
): string[][] {
  return parse(run.bytes, {
    delimiter: format.delimiter,
    encoding,
    record_delimiter: format.newline === '\r' ? ['\r'] : ['\r\n', '\n'],
    relax_column_count: true,
    ...(run.quoted
      ? { quote: '"', relax_quotes: true, trim: format.delimiter !== '\t' }
      : { quote: null }),
  });
}
