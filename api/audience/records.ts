const QUOTE = 34;
const SPACE = 32;
const CR = 13;

/** Complete records one after the other, and the line on which each begins. */
export interface RecordRun {
  kind: 'run';
  bytes: Buffer;
  lines: number[];
  quoted: boolean;
}

/** A physical line that is no record. */
export interface BadLine {
  kind: 'bad';
  line: number;
  reason: 'invalid_quotes' | 'row_too_large';
  /** The beginning of the line. */
  bytes: Buffer;
}

export interface RecordFormat {
  delimiter: string;
  newline: '\n' | '\r';
}

/** Longest record; a quote that is not closed within it is taken for a stray one. */
export const MAX_RECORD_BYTES = 64 * 1024;
const SAMPLE_BYTES = 400;

/**
 * Cuts a stream of bytes into runs of complete records for the CSV parser, so that one stray quote costs one row and
 * not the rest of the file: a quoted field that is never closed, or is closed in the middle of a field, or joins lines
 * into a record with the wrong number of columns, makes its first line a bad line, and reading goes on at the next.
 * Each byte is looked at a bounded number of times, and less than one record is kept between chunks.
 */
export class RecordSplitter {
  readonly #newline: number;
  readonly #delimiter: number;
  #carry: Buffer = Buffer.alloc(0);
  #line: number;
  /** The rest of an overlong line is still being dropped. */
  #dropping = false;

  constructor(
    format: RecordFormat,
    /** How many columns a record over several lines may have. */
    readonly columns: { min: number; max: number },
    firstLine: number,
  ) {
    this.#newline = format.newline.charCodeAt(0);
    this.#delimiter = format.delimiter.charCodeAt(0);
    this.#line = firstLine;
  }

  /** @param last no more bytes will come, so that what is left is a record too */
  *push(chunk: Buffer, last: boolean): Generator<RecordRun | BadLine> {
    let bytes = this.#carry.length === 0 ? chunk : Buffer.concat([this.#carry, chunk]);
    if (this.#dropping) {
      const end = bytes.indexOf(this.#newline);
      this.#dropping = end === -1;
      bytes = end === -1 ? Buffer.alloc(0) : bytes.subarray(end + 1);
      if (end !== -1) this.#line++;
    }
    const limit = last ? bytes.length : bytes.lastIndexOf(this.#newline) + 1;
    const taken = yield* this.#split(bytes, limit, last);
    this.#carry = bytes.subarray(taken);
    if (this.#carry.length > MAX_RECORD_BYTES && !this.#carry.includes(this.#newline)) {
      yield this.#bad('row_too_large', this.#carry);
      this.#dropping = true;
      this.#carry = Buffer.alloc(0);
    }
  }

  /** Yields everything before `limit` but a record that is still open; returns where it stopped. */
  *#split(bytes: Buffer, limit: number, last: boolean): Generator<RecordRun | BadLine, number> {
    let run: RecordRun = emptyRun();
    let from = 0;
    let at = 0;
    let quote = bytes.indexOf(QUOTE);
    while (at < limit) {
      const newline = bytes.indexOf(this.#newline, at);
      const lineEnd = newline === -1 ? limit : newline + 1;
      if (quote !== -1 && quote < at) quote = bytes.indexOf(QUOTE, at);
      const record =
        quote === -1 || quote >= lineEnd
          ? { end: lineEnd, newlines: 1, quoted: false }
          : this.#quotedRecord(bytes, at, limit, last);
      if (record === 'open' && bytes.length - at <= MAX_RECORD_BYTES) break;
      const bad = typeof record === 'string' || record.end - at > MAX_RECORD_BYTES;
      if (bad) {
        if (run.lines.length > 0) yield { ...run, bytes: bytes.subarray(from, at) };
        const tooLarge = lineEnd - at > MAX_RECORD_BYTES;
        yield this.#bad(tooLarge ? 'row_too_large' : 'invalid_quotes', bytes.subarray(at, lineEnd));
        run = emptyRun();
        this.#line++;
        at = lineEnd;
        from = at;
        continue;
      }
      run.lines.push(this.#line);
      run.quoted ||= record.quoted;
      this.#line += record.newlines;
      at = record.end;
    }
    if (run.lines.length > 0) yield { ...run, bytes: bytes.subarray(from, at) };
    return at;
  }

  #quotedRecord(
    bytes: Buffer,
    start: number,
    limit: number,
    last: boolean,
  ): { end: number; newlines: number; quoted: boolean } | 'open' | 'malformed' {
    const record = scanRecord(bytes, start, limit, this.#delimiter, this.#newline);
    if (record === 'open') return last ? 'malformed' : 'open';
    if (record === 'malformed') return record;
    const { min, max } = this.columns;
    const joined = record.newlines > 1;
    if (joined && (record.fields < min || record.fields > max)) return 'malformed';
    return { ...record, quoted: true };
  }

  #bad(reason: BadLine['reason'], bytes: Buffer): BadLine {
    const sample = Buffer.from(bytes.subarray(0, SAMPLE_BYTES));
    return { kind: 'bad', line: this.#line, reason, bytes: sample };
  }
}

function emptyRun(): RecordRun {
  return { kind: 'run', bytes: Buffer.alloc(0), lines: [], quoted: false };
}

/**
 * Finds the end of one record that may have quoted fields. A quote opens a field only at its beginning (spaces may
 * precede it) and must then be closed before a delimiter or a line break; anywhere else it is a character.
 * @param limit end of the bytes that may be looked at; an unquoted record may end there
 */
export function scanRecord(
  bytes: Buffer,
  start: number,
  limit: number,
  delimiter: number,
  newline: number,
): { end: number; fields: number; newlines: number } | 'open' | 'malformed' {
  let fields = 1;
  let newlines = 1;
  let beginning = true;
  for (let at = start; at < limit; at++) {
    const byte = bytes[at];
    if (byte === newline) return { end: at + 1, fields, newlines };
    if (byte === delimiter) {
      fields++;
      beginning = true;
    } else if (byte === QUOTE && beginning) {
      const close = closingQuote(bytes, at + 1, limit);
      if (close === -1) return 'open';
      for (let inside = at; inside < close; inside++) if (bytes[inside] === newline) newlines++;
      at = afterSpaces(bytes, close + 1, limit, newline);
      if (at < limit && bytes[at] !== delimiter && bytes[at] !== newline) return 'malformed';
      at--;
      beginning = false;
    } else if (byte !== SPACE) beginning = false;
  }
  return { end: limit, fields, newlines };
}

function closingQuote(bytes: Buffer, from: number, limit: number): number {
  for (let at = bytes.indexOf(QUOTE, from); at !== -1 && at < limit;) {
    if (bytes[at + 1] !== QUOTE || at + 1 >= limit) return at;
    at = bytes.indexOf(QUOTE, at + 2);
  }
  return -1;
}

/** Past spaces and the carriage return before a line feed. */
function afterSpaces(bytes: Buffer, from: number, limit: number, newline: number): number {
  let at = from;
  while (at < limit && bytes[at] === SPACE) at++;
  return bytes[at] === CR && newline !== CR ? at + 1 : at;
}
