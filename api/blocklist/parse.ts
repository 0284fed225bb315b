import type { Readable } from 'node:stream';
import {
  blocklistColumns,
  readBlocklistRow,
  type BlocklistColumns,
  type BlocklistRejectReason,
  type NewBlocklistEntry,
} from '../../domain/blocklist';
import { RegenteError } from '../../domain/errors';
import { counted } from '../audience/bytes';
import { readCells } from '../audience/cells';
import { openAudienceFile, type FileFormat } from '../audience/detect';
import { readHeader } from '../audience/header';
import { RecordSplitter, type BadLine, type RecordRun } from '../audience/records';

export interface BlocklistLimits {
  maxRows: number;
  /** Of the file, unpacked. */
  maxBytes: number;
}

/** One row of the file; `line` is the physical line on which it begins. */
export type BlocklistLine =
  | { ok: true; line: number; entry: NewBlocklistEntry }
  | {
      ok: false;
      line: number;
      column: string | null;
      reason: BlocklistRejectReason | BadLine['reason'] | 'invalid_encoding';
    };

/**
 * Reads a blocklist as audiences are read: delimiter, quotes, encoding and gzip are detected, in constant memory.
 * A bad row is a line that is not `ok`, and `onReceived` hears of what comes; a bad file throws UNSUPPORTED_MEDIA, VALIDATION or PAYLOAD_TOO_LARGE.
 */
export async function* parseBlocklist(
  source: Readable,
  { maxRows, maxBytes }: BlocklistLimits,
  onReceived: (bytes: number) => void,
): AsyncGenerator<BlocklistLine> {
  // After a refusal nobody listens any more, and a connection that breaks then must not end the process.
  source.on('error', () => {});
  const chunks = counted(source.iterator({ destroyOnReturn: false }), onReceived);
  const { bytes, format } = await openAudienceFile(chunks, maxBytes, () => {});
  try {
    const header = readHeader(await bytes.peek(1), format);
    bytes.skip(header.bytes);
    const columns = blocklistColumns(header.cells);
    const width = { min: 1, max: columns.headers.length };
    const splitter = new RecordSplitter(format, width, header.nextLine);
    const reader = new LineReader(format, columns, maxRows);
    for await (const chunk of bytes) yield* reader.read(splitter.push(chunk, false));
    yield* reader.read(splitter.push(Buffer.alloc(0), true));
  } finally {
    await bytes.close();
  }
}

class LineReader {
  readonly #format: FileFormat;
  readonly #columns: BlocklistColumns;
  readonly #maxRows: number;
  #rows = 0;

  constructor(format: FileFormat, columns: BlocklistColumns, maxRows: number) {
    this.#format = format;
    this.#columns = columns;
    this.#maxRows = maxRows;
  }

  *read(pieces: Iterable<RecordRun | BadLine>): Generator<BlocklistLine> {
    for (const piece of pieces) {
      if (piece.kind === 'bad') {
        this.#count();
        yield { ok: false, line: piece.line, column: null, reason: piece.reason };
        continue;
      }
      const { records, encoding } = readCells(piece, this.#format, this.#format.encoding);
      this.#format.encoding = encoding;
      for (const [index, record] of records.entries()) {
        const line = piece.lines[index] ?? 0;
        if (!record.ok) {
          this.#count();
          const column = this.#columns.headers[record.index] ?? null;
          yield { ok: false, line, column, reason: 'invalid_encoding' };
        } else if (record.cells.some((cell) => cell.trim() !== '')) {
          this.#count();
          yield { line, ...readBlocklistRow(record.cells, this.#columns) };
        }
      }
    }
  }

  #count(): void {
    if (++this.#rows <= this.#maxRows) return;
    const limit = this.#maxRows.toLocaleString('en');
    throw new RegenteError('PAYLOAD_TOO_LARGE', `The file has more than ${limit} rows. Split it.`, {
      details: { maxRows: this.#maxRows },
    });
  }
}
