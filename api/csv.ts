import { once } from 'node:events';
import { z } from '@hono/zod-openapi';
import type { AppContext } from './context';
import { levelOf, loggable } from './errors';
import { routeOf } from './request-log';

/** `csv`: commas and decimal points; `excel-br`: as a Brazilian Excel opens it (byte order mark, semicolons, decimal commas). */
export const CsvForm = z.enum(['csv', 'excel-br']);
export type CsvForm = z.infer<typeof CsvForm>;

/** A text, a number of ours, or a decimal string of ours; only texts can hold what somebody else typed. */
export type CsvCell = string | number | null | { decimal: string };

export interface CsvColumn<Row> {
  header: string;
  cell: (row: Row) => CsvCell;
}

const CHUNK_CHARS = 65_536;
/** Spreadsheets take a cell that begins so for a formula, also with the full-width signs. */
const FORMULA = /^[=+\-@\t\r\n＝＋－＠]/;

/**
 * Streams a table as fast as it is read and no faster; a reader who leaves ends the rows. Where the rows fail, the stream
 * fails once `onFailure` has been told, with an error that says nothing of theirs.
 */
export function csvStream<Row>(
  columns: readonly CsvColumn<Row>[],
  rows: AsyncIterable<Row> | Iterable<Row>,
  form: CsvForm,
  onFailure: (error: unknown) => Promise<void>,
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  const lines = csvLines(columns, rows, form);
  let hasLeft = false;
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { text, isLast } = await nextChunk(lines);
        if (hasLeft) return;
        if (text !== '') controller.enqueue(encoder.encode(text));
        if (isLast) controller.close();
      } catch (error) {
        if (hasLeft) return;
        await onFailure(error);
        controller.error(new Error('The file broke off.'));
      }
    },
    async cancel() {
      hasLeft = true;
      await lines.return(undefined);
    },
  });
}

async function nextChunk(
  lines: AsyncGenerator<string, void>,
): Promise<{ text: string; isLast: boolean }> {
  let text = '';
  while (text.length < CHUNK_CHARS) {
    const next = await lines.next();
    if (next.done === true) return { text, isLast: true };
    text += next.value;
  }
  return { text, isLast: false };
}

/**
 * Of an answer that fails after its status has gone out: logs it and breaks the connection off, by which the client sees
 * that the file is not whole. The framework would print the error itself.
 */
export function breakOff(c: AppContext): (error: unknown) => Promise<void> {
  return async (error) => {
    const facts = { requestId: c.get('requestId'), route: routeOf(c) };
    c.get('logger')[levelOf(error)]({ err: loggable(error), ...facts }, 'answer broke off');
    const { outgoing } = c.env;
    if (outgoing === undefined || outgoing.destroyed) return;
    const closed = once(outgoing, 'close');
    outgoing.destroy();
    await closed;
  };
}

/** Headers of an answer that is a CSV file to save. @param name of the file, without its ending */
export function csvHeaders(name: string): Record<string, string> {
  return {
    'content-type': 'text/csv; charset=utf-8',
    'content-disposition': `attachment; filename="${name}.csv"`,
    'cache-control': 'no-store',
  };
}

async function* csvLines<Row>(
  columns: readonly CsvColumn<Row>[],
  rows: AsyncIterable<Row> | Iterable<Row>,
  form: CsvForm,
): AsyncGenerator<string, void> {
  const separator = form === 'excel-br' ? ';' : ',';
  const line = (cells: readonly CsvCell[]): string =>
    `${cells.map((cell) => written(cell, form)).join(separator)}\r\n`;
  if (form === 'excel-br') yield '\ufeff';
  yield line(columns.map(({ header }) => header));
  for await (const row of rows) yield line(columns.map(({ cell }) => cell(row)));
}

function written(cell: CsvCell, form: CsvForm): string {
  if (cell === null) return '';
  if (typeof cell === 'string') return quoted(FORMULA.test(cell) ? `'${cell}` : cell);
  const decimal = typeof cell === 'number' ? String(cell) : cell.decimal;
  return form === 'excel-br' ? decimal.replace('.', ',') : decimal;
}

function quoted(text: string): string {
  return /[",;\t\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
