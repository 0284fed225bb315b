import { RegenteError } from '../../domain/errors';
import { readCells } from './cells';
import type { FileFormat } from './detect';
import { MAX_RECORD_BYTES, scanRecord } from './records';

/** Excel's own first line, which names the delimiter. */
const SEPARATOR_LINE = /^"?sep=.?"?$/i;

/**
 * Reads the column names from the beginning of a file: the first record that is not blank.
 * @returns the names, how many bytes they took, and the line that follows them
 */
export function readHeader(
  head: Buffer,
  format: FileFormat,
): { cells: string[]; bytes: number; nextLine: number } {
  const delimiter = format.delimiter.charCodeAt(0);
  const newline = format.newline.charCodeAt(0);
  let line = 1;
  for (let at = 0; at < head.length;) {
    const record = scanRecord(head, at, head.length, delimiter, newline);
    if (typeof record === 'string') {
      throw new RegenteError(
        'VALIDATION',
        `A quote in line ${line}, the column names, is never closed.`,
      );
    }
    if (record.end - at > MAX_RECORD_BYTES) {
      throw new RegenteError(
        'VALIDATION',
        'The first line is too long for column names. Is this a CSV file?',
      );
    }
    const bytes = head.subarray(at, record.end);
    const [cells] = readCells(
      { kind: 'run', bytes, lines: [line], quoted: true },
      format,
      format.encoding,
    ).records;
    if (cells?.ok === false) {
      throw new RegenteError(
        'VALIDATION',
        'The column names are not valid UTF-8. Save the file as CSV UTF-8.',
      );
    }
    const names = cells?.cells ?? [];
    at = record.end;
    line += record.newlines;
    const text = bytes.toString('latin1').trim();
    if (SEPARATOR_LINE.test(text) || names.every((name) => name.trim() === '')) continue;
    return { cells: names.map((name) => name.trim()), bytes: at, nextLine: line };
  }
  throw new RegenteError('VALIDATION', 'The file is empty.');
}
