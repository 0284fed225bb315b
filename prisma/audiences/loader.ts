import type { AudienceColumns } from '../../domain/audience-columns';
import {
  AssessmentTally,
  createAssessor,
  missingVariable,
  type Assessment,
  type Assessor,
} from '../../domain/audience-assessment';
import {
  shownValue,
  type AudienceRecipient,
  type AudienceReject,
} from '../../domain/audience-rows';
import {
  recognisedColumns,
  type AudienceCounts,
  type RecognisedColumns,
} from '../../domain/audiences';
import { addressKind } from '../../domain/channels';
import type { Database } from '../client';
import { AddressSet } from './addresses';
import { CopyBuffer, insertChunk, type Chunk, type StoredReject } from './chunks';
import type { AudienceUpload } from './uploads';

/** Some rows of a file or list, in their order. */
export interface RowBatch {
  rows: readonly { line: number; recipient: AudienceRecipient; corrected: readonly unknown[] }[];
  rejects: readonly AudienceReject[];
}

/** What an upload has come to. */
export interface LoadedAudience {
  counts: AudienceCounts;
  columns: RecognisedColumns;
  timeZones: string[];
  /** Null when the campaign had no message to weigh the people with. */
  assessment: Assessment | null;
  /** The first rows that were refused, without what they hold. */
  firstRejects: RejectedRow[];
}

/** Where a refused row is and why; not what is in it. */
export type RejectedRow = Pick<StoredReject, 'line' | 'column' | 'reason'>;

/** Larger ones gain nothing and cost memory. */
const CHUNK_ROWS = 10_000;
/** One is inserted while the next is sent and a third is made. */
const CHUNKS_AT_ONCE = 2;
/** More are counted and not kept; nobody reads them. */
const MAX_STORED_REJECTS = 100_000;
/** Enough to see what is wrong with a file. */
const FIRST_REJECTS = 10;

/**
 * Takes the batches of an upload, leaves duplicates out, gives everybody a position and writes them chunk by chunk.
 * Whoever calls `add` waits when the database is slower than the file.
 */
export class AudienceLoader {
  readonly #db: Database;
  readonly #upload: AudienceUpload;
  readonly #addresses: AddressSet;
  readonly #timeZones = new Set<string>();
  readonly #tally = new AssessmentTally();
  readonly #counts: AudienceCounts = {
    recipients: 0,
    corrected: 0,
    duplicates: 0,
    invalid: 0,
    invalidByReason: {},
  };
  #columns: AudienceColumns | null = null;
  #assess: Assessor | null = null;
  #addressColumn: string | null = null;
  #rejected = 0;
  #chunkRows = 0;
  #recipients = new CopyBuffer();
  /** Buffers of chunks that have been written, to be filled again. */
  readonly #spare: CopyBuffer[] = [];
  #rejects: StoredReject[] = [];
  readonly #firstRejects: RejectedRow[] = [];
  #writing: Promise<void>[] = [];
  #last: Promise<void> = Promise.resolve();

  constructor(db: Database, upload: AudienceUpload) {
    this.#db = db;
    this.#upload = upload;
    this.#addresses = new AddressSet(upload.terms.channel);
  }

  async add(batch: RowBatch, columns: AudienceColumns): Promise<void> {
    this.#open(columns);
    const rejects: (Omit<AudienceReject, 'reason'> & { reason: string })[] = [...batch.rejects];
    for (const { line, recipient, corrected } of batch.rows) {
      if (this.#addresses.add(recipient.address)) {
        this.#place(recipient, corrected.length > 0);
      } else {
        this.#counts.duplicates++;
        const [column, value] = [this.#addressColumn, recipient.address];
        rejects.push({ line, column, reason: 'duplicate', value });
      }
    }
    for (const { reason } of batch.rejects) this.#countInvalid(reason);
    if (rejects.length > batch.rejects.length) rejects.sort((a, b) => a.line - b.line);
    for (const reject of rejects) this.#keep(reject);
    this.#chunkRows += batch.rows.length + batch.rejects.length;
    if (this.#chunkRows >= CHUNK_ROWS) await this.#write();
  }

  /** Writes what is left. */
  async finish(): Promise<LoadedAudience> {
    await this.#write();
    await Promise.all(this.#writing);
    return {
      counts: this.#counts,
      columns:
        this.#columns === null ? { fields: {}, variables: [] } : recognisedColumns(this.#columns),
      timeZones: [...this.#timeZones].sort(),
      assessment: this.#assess === null ? null : this.#tally.total,
      firstRejects: this.#firstRejects,
    };
  }

  /** Waits until nothing of this upload is being written any more, whatever became of it. */
  async settle(): Promise<void> {
    await Promise.allSettled(this.#writing);
  }

  /** Without a message and without messages in the file there is nothing to weigh people with yet. */
  #open(columns: AudienceColumns): void {
    if (this.#columns !== null) return;
    this.#columns = columns;
    const { terms } = this.#upload;
    const index = columns.fields[addressKind(terms.channel)];
    this.#addressColumn = index === undefined ? null : shownValue(columns.headers[index] ?? '');
    const { baseMessage, template } = terms.message;
    if (baseMessage !== null || template !== null || columns.fields.customMessage !== undefined)
      this.#assess = createAssessor(terms);
  }

  #place(recipient: AudienceRecipient, corrected: boolean): void {
    const position = this.#counts.recipients++;
    if (corrected) this.#counts.corrected++;
    this.#timeZones.add(recipient.timeZone);
    let units = 1;
    let skipReason: string | null = null;
    if (this.#assess !== null) {
      const verdict = this.#assess(recipient);
      this.#tally.add(verdict);
      units = verdict.units;
      if (verdict.missing !== null) skipReason = missingVariable(verdict.missing);
    }
    this.#recipients.push({ position, recipient, units, skipReason });
  }

  #countInvalid(reason: string): void {
    this.#counts.invalid++;
    const { invalidByReason } = this.#counts;
    invalidByReason[reason] = (invalidByReason[reason] ?? 0) + 1;
  }

  #keep({ line, column, reason, value }: Omit<StoredReject, 'seq'>): void {
    if (this.#rejected >= MAX_STORED_REJECTS) return;
    const shown = column === null ? null : shownValue(column);
    if (this.#rejected < FIRST_REJECTS) this.#firstRejects.push({ line, column: shown, reason });
    this.#rejects.push({ seq: this.#rejected++, line, column: shown, reason, value });
  }

  async #write(): Promise<void> {
    const [recipients, rejects] = [this.#recipients, this.#rejects];
    if (recipients.isEmpty && rejects.length === 0) return;
    if (this.#writing.length >= CHUNKS_AT_ONCE) await this.#writing.shift();
    this.#recipients = this.#spare.pop() ?? new CopyBuffer();
    [this.#rejects, this.#chunkRows] = [[], 0];
    const written = this.#writeChunk({ recipients, rejects, previous: this.#last });
    this.#last = written;
    // Whoever waits for it learns of a failure; until then nobody does.
    written.catch(() => undefined);
    this.#writing.push(written);
  }

  async #writeChunk(chunk: Chunk): Promise<void> {
    await insertChunk(this.#db, this.#upload, chunk);
    chunk.recipients.clear();
    this.#spare.push(chunk.recipients);
  }
}
