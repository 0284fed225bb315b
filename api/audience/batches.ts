import type { AudienceColumns, ColumnMapping, MappedBy } from '../../domain/audience-columns';
import {
  readRow,
  shownValue,
  type AudienceRecipient,
  type AudienceReject,
  type Correction,
  type RejectReason,
  type RowOptions,
} from '../../domain/audience-rows';
import { RegenteError } from '../../domain/errors';
import { readCells, type Cells } from './cells';
import type { FileFormat } from './detect';
import { judgeEncoding } from './encoding';
import type { BadLine, RecordRun } from './records';

export interface AudienceCsvOptions extends RowOptions {
  mapping?: ColumnMapping;
  mappedBy?: MappedBy;
  limits: {
    /** Rows below the header, bad ones included, blank ones not. */
    maxRows: number;
    /** Of the file, unpacked. */
    maxBytes: number;
  };
}

export interface AudienceRow {
  line: number;
  recipient: AudienceRecipient;
  corrected: Correction[];
}

/** Some hundred rows in the order of the file. */
export interface AudienceBatch {
  rows: AudienceRow[];
  rejects: AudienceReject[];
}

/** What the file turned out to be. */
export type AudienceFile = FileFormat & { columns: AudienceColumns };

/** Grows while the batches are read. */
export interface AudienceProgress {
  /** As received, so that it can be held against the size of the upload. */
  receivedBytes: number;
  /** Unpacked. */
  bytes: number;
  rows: number;
  valid: number;
  invalid: number;
  corrected: number;
  blank: number;
  /** Known from the first batch on. */
  file: AudienceFile | null;
}

/** So few that what is made of them is garbage before the collector moves it to where collecting is dear. */
const MAX_BATCH_ROWS = 200;

/** Turns records into batches of recipients and rejects, and keeps count. */
export class RowCollector {
  /** How many cells a record has: trailing columns without a name may be missing. */
  readonly expected: { min: number; max: number };
  readonly #options: AudienceCsvOptions;
  readonly #file: AudienceFile;
  readonly #progress: AudienceProgress;
  #batch: AudienceBatch = { rows: [], rejects: [] };

  constructor(options: AudienceCsvOptions, file: AudienceFile, progress: AudienceProgress) {
    this.#options = options;
    this.#file = file;
    this.#progress = progress;
    const { headers } = file.columns;
    const min = headers.findLastIndex((header) => header.trim() !== '') + 1;
    this.expected = { min, max: headers.length };
  }

  *collect(pieces: Iterable<RecordRun | BadLine>): Generator<AudienceBatch> {
    for (const piece of pieces) {
      if (piece.kind === 'bad') {
        this.#countRow();
        this.#reject(piece.line, null, piece.reason, this.#sample(piece.bytes));
      } else {
        const { records, encoding } = readCells(piece, this.#file, this.#file.encoding);
        this.#file.encoding = encoding;
        for (const [index, cells] of records.entries()) this.#take(cells, piece.lines[index] ?? 0);
      }
      if (this.#batch.rows.length + this.#batch.rejects.length >= MAX_BATCH_ROWS)
        yield* this.rest();
    }
  }

  /** The rows that do not fill a batch. */
  *rest(): Generator<AudienceBatch> {
    const batch = this.#batch;
    if (batch.rows.length + batch.rejects.length === 0) return;
    this.#batch = { rows: [], rejects: [] };
    yield batch;
  }

  #take(record: Cells, line: number): void {
    if (!record.ok) {
      this.#countRow();
      const column = this.#file.columns.headers[record.index] ?? null;
      this.#reject(line, column, 'invalid_encoding', record.value);
      return;
    }
    const { cells } = record;
    if (cells.every((cell) => cell.trim() === '')) {
      this.#progress.blank++;
      return;
    }
    this.#countRow();
    const { min, max } = this.expected;
    if (
      cells.length < min ||
      (cells.length > max && cells.slice(max).some((cell) => cell.trim() !== ''))
    ) {
      this.#reject(line, null, 'column_count', cells.join(this.#file.delimiter));
      return;
    }
    const read = readRow(cells, line, this.#file.columns, this.#options);
    if (!read.ok) {
      this.#batch.rejects.push(read.reject);
      this.#progress.invalid++;
      return;
    }
    this.#batch.rows.push({ line, recipient: read.recipient, corrected: read.corrected });
    this.#progress.valid++;
    if (read.corrected.length > 0) this.#progress.corrected++;
  }

  #reject(line: number, column: string | null, reason: RejectReason, value: string): void {
    this.#batch.rejects.push({ line, column, reason, value: shownValue(value) });
    this.#progress.invalid++;
  }

  #countRow(): void {
    const { maxRows } = this.#options.limits;
    if (++this.#progress.rows <= maxRows) return;
    const limit = maxRows.toLocaleString('en');
    throw new RegenteError('PAYLOAD_TOO_LARGE', `The file has more than ${limit} rows. Split it.`, {
      details: { maxRows },
    });
  }

  #sample(bytes: Buffer): string {
    const encoding = this.#file.encoding ?? judgeEncoding(bytes);
    return bytes.toString(encoding === 'windows1252' ? 'latin1' : 'utf8');
  }
}
