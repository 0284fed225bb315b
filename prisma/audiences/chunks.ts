import { finished } from 'node:stream/promises';
import { from as copyFrom } from 'pg-copy-streams';
import type { AudienceRecipient } from '../../domain/audience-rows';
import { RegenteError } from '../../domain/errors';
import type { Database } from '../client';
import { withTenantConnection, type TenantConnection } from '../tenant';

/** Where rows of an upload go; it takes them only while the upload is running. */
export interface UploadKey {
  companyId: string;
  audienceId: string;
}

/** A row that is not in the audience, as it is kept. */
export interface StoredReject {
  seq: number;
  line: number;
  column: string | null;
  reason: string;
  value: string | null;
}

export interface Chunk {
  recipients: CopyBuffer;
  rejects: readonly StoredReject[];
  /**
   * The writing of the chunk before, with which this one fails. Two may be sent to the server at once, but not inserted:
   * on the same pages of the same indexes they stand in each other's way, and leave them and the table out of order.
   */
  previous: Promise<void>;
}

interface PlacedRecipient {
  position: number;
  recipient: AudienceRecipient;
  units: number;
  skipReason: string | null;
}

const COLUMNS = `position, address, nome, phone, email, cpf_cnpj, idcob_contrato, custom_message, variables, time_zone,
  units, skip_reason`;

/** COPY into a table with row-level security is refused, so the rows take the way over a table of the session. */
const STAGING = `
  CREATE TEMPORARY TABLE IF NOT EXISTS audience_staging (position int, address text, nome text, phone text, email text,
    cpf_cnpj text, idcob_contrato text, custom_message text, variables jsonb, time_zone text, units smallint,
    skip_reason text) ON COMMIT DELETE ROWS`;

/**
 * Lines of COPY's text format as the bytes that are sent. As one growing text they would outlive the collector's young
 * generation row by row, and cost hundreds of megabytes of heap before they are collected.
 */
export class CopyBuffer {
  #bytes = Buffer.allocUnsafeSlow(FIRST_BYTES);
  #length = 0;
  /** Some lines that are not bytes yet: one call for all of them. */
  #lines = '';

  get isEmpty(): boolean {
    return this.#length + this.#lines.length === 0;
  }

  /** Good until the next `push` or `clear`. */
  get bytes(): Buffer {
    this.#flush();
    return this.#bytes.subarray(0, this.#length);
  }

  push({ position, recipient, units, skipReason }: PlacedRecipient): void {
    const { address, nome, phone, email, cpfCnpj, idcobContrato, customMessage } = recipient;
    this.#lines +=
      `${position}\t${address}\t${copyText(nome)}\t${phone ?? NULL}\t${email ?? NULL}\t${cpfCnpj ?? NULL}\t` +
      `${copyText(idcobContrato)}\t${copyText(customMessage)}\t${copyText(JSON.stringify(recipient.variables))}\t` +
      `${recipient.timeZone}\t${units}\t${skipReason ?? NULL}\n`;
    if (this.#lines.length >= LINES_CHARS) this.#flush();
  }

  clear(): void {
    this.#length = 0;
    this.#lines = '';
  }

  #flush(): void {
    this.#reserve(3 * this.#lines.length);
    this.#length += this.#bytes.write(this.#lines, this.#length);
    this.#lines = '';
  }

  #reserve(bytes: number): void {
    if (this.#length + bytes <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(2 * this.#bytes.length, this.#length + bytes));
    this.#bytes.copy(larger, 0, 0, this.#length);
    this.#bytes = larger;
  }
}

const FIRST_BYTES = 1024 * 1024;
const LINES_CHARS = 4 * 1024;
const NULL = '\\N';

const SPECIAL = /[\\\t\n\r]/;
const ESCAPES: Readonly<Record<string, string>> = {
  '\\': '\\\\',
  '\t': '\\t',
  '\n': '\\n',
  '\r': '\\r',
};

function copyText(text: string | null): string {
  if (text === null) return NULL;
  return SPECIAL.test(text) ? text.replace(/[\\\t\n\r]/g, (char) => ESCAPES[char] ?? char) : text;
}

/**
 * Writes some thousand rows of an upload in one transaction: what a crash leaves belongs to an audience that is not
 * ready, and the next upload removes it. Throws CONFLICT when the upload is not running any more.
 */
export async function insertChunk(
  db: Database,
  upload: UploadKey,
  { recipients, rejects, previous }: Chunk,
): Promise<void> {
  await withTenantConnection(db, upload.companyId, async (connection) => {
    // The commit that makes the audience ready carries these to the disk as well. Waiting for the turn is idleness.
    await connection.query(
      `SET LOCAL synchronous_commit = off; SET LOCAL idle_in_transaction_session_timeout = '60s'; ${STAGING}`,
    );
    if (!recipients.isEmpty) await stage(connection, recipients.bytes);
    await previous;
    if (!recipients.isEmpty) await insertStaged(connection, upload);
    if (rejects.length > 0) await insertRejects(connection, upload, rejects);
    await requireRunning(connection, upload);
  });
}

async function stage(connection: TenantConnection, lines: Buffer): Promise<void> {
  const stream = connection.query(copyFrom(`COPY audience_staging (${COLUMNS}) FROM STDIN`));
  stream.end(lines);
  await finished(stream);
}

async function insertStaged(
  connection: TenantConnection,
  { companyId, audienceId }: UploadKey,
): Promise<void> {
  await connection.query(
    `INSERT INTO campaign_recipients (company_id, audience_id, ${COLUMNS}) SELECT $1, $2, ${COLUMNS} FROM audience_staging`,
    [companyId, audienceId],
  );
}

async function insertRejects(
  connection: TenantConnection,
  { companyId, audienceId }: UploadKey,
  rejects: readonly StoredReject[],
): Promise<void> {
  await connection.query(
    `INSERT INTO audience_rejects (company_id, audience_id, seq, line, column_name, reason, value)
     SELECT $1, $2, r.seq, r.line, r."column", r.reason, r.value
       FROM jsonb_to_recordset($3::jsonb) AS r(seq int, line int, "column" text, reason text, value text)`,
    [companyId, audienceId, JSON.stringify(rejects)],
  );
}

/** Last, so that the row is held for as short as can be: whoever takes the upload over waits for it. */
async function requireRunning(
  connection: TenantConnection,
  { audienceId }: UploadKey,
): Promise<void> {
  const running = await connection.query(
    `SELECT FROM audiences WHERE id = $1 AND state = 'loading' FOR SHARE`,
    [audienceId],
  );
  if (running.rowCount === 0) throw uploadLost();
}

/** Its audience was taken over or deleted by somebody else. */
export const uploadLost = (): RegenteError =>
  new RegenteError(
    'CONFLICT',
    'This upload was given up because it had stood still, or its campaign was deleted meanwhile.',
  );
