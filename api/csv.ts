import { z } from '@hono/zod-openapi';

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

/** Streams a table as fast as it is read and no faster; a reader who leaves ends the rows. */
export function csvStream<Row>(
  columns: readonly CsvColumn<Row>[],
  rows: AsyncIterable<Row> | Iterable<Row>,
  form: CsvForm,
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  const lines = csvLines(columns, rows, form);
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      let text = '';
      while (text.length < CHUNK_CHARS) {
        const next = await lines.next();
        if (next.done === true) {
          if (text !== '') controller.enqueue(encoder.encode(text));
          controller.close();
          return;
        }
        text += next.value;
      }
      controller.enqueue(encoder.encode(text));
    },
    async cancel() {
      await lines.return(undefined);
    },
  });
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
