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

export interface PlacedRecipient {
  position: number;
  recipient: AudienceRecipient;
  units: number;
  skipReason: 'missing_variable' | null;
}

const COLUMNS = `position, address, nome, phone, email, cpf_cnpj, idcob_contrato, custom_message, variables, time_zone,
  units, skip_reason`;

/** COPY into a table with row-level security is refused, so the rows take the way over a table of the session. */
const STAGING = `
  CREATE TEMPORARY TABLE IF NOT EXISTS audience_staging (position int, address text, nome text, phone text, email text,
    cpf_cnpj text, idcob_contrato text, custom_message text, variables jsonb, time_zone text, units smallint,
    skip_reason text) ON COMMIT DELETE ROWS`;

/** One line of COPY's text format, ready to be joined. */
export function copyLine({ position, recipient, units, skipReason }: PlacedRecipient): string {
  const { address, nome, phone, email, cpfCnpj, idcobContrato, customMessage } = recipient;
  const texts = [address, nome, phone, email, cpfCnpj, idcobContrato, customMessage];
  const variables = JSON.stringify(recipient.variables);
  return `${position}\t${texts.map(copyText).join('\t')}\t${copyText(variables)}\t${recipient.timeZone}\t${units}\t${copyText(skipReason)}\n`;
}

const SPECIAL = /[\\\t\n\r]/;
const ESCAPES: Readonly<Record<string, string>> = {
  '\\': '\\\\',
  '\t': '\\t',
  '\n': '\\n',
  '\r': '\\r',
};

function copyText(text: string | null): string {
  if (text === null) return '\\N';
  return SPECIAL.test(text) ? text.replace(/[\\\t\n\r]/g, (char) => ESCAPES[char] ?? char) : text;
}

/**
 * Writes some thousand rows of an upload in one transaction: what a crash leaves belongs to an audience that is not
 * ready, and the next upload removes it. Throws CONFLICT when the upload is not running any more.
 * @param lines of `copyLine`
 */
export async function insertChunk(
  db: Database,
  upload: UploadKey,
  lines: string,
  rejects: readonly StoredReject[],
): Promise<void> {
  await withTenantConnection(db, upload.companyId, async (connection) => {
    // The commit that makes the audience ready carries these to the disk as well.
    await connection.query(`SET LOCAL synchronous_commit = off; ${STAGING}`);
    if (lines !== '') await copyRecipients(connection, upload, lines);
    if (rejects.length > 0) await insertRejects(connection, upload, rejects);
    await requireRunning(connection, upload);
  });
}

async function copyRecipients(
  connection: TenantConnection,
  { companyId, audienceId }: UploadKey,
  lines: string,
): Promise<void> {
  const stream = connection.query(copyFrom(`COPY audience_staging (${COLUMNS}) FROM STDIN`));
  stream.end(lines);
  await finished(stream);
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
