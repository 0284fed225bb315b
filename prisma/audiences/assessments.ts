import { setTimeout as delay } from 'node:timers/promises';
import {
  AssessmentTally,
  createAssessor,
  missingVariable,
  sameForAll,
  type Assessment,
  type MessageTerms,
  type Verdict,
} from '../../domain/audience-assessment';
import type { MessageFields } from '../../domain/campaign-messages';
import { RegenteError } from '../../domain/errors';
import { readSource } from '../campaigns/sources';
import type { Database } from '../client';
import { withTenant, withTenantConnection, type TenantConnection } from '../tenant';
import { isAssessed, termsOf, termsVersion } from './terms';

const PAGE_ROWS = 10_000;
const WAIT_MS = 120_000;
const POLL_MS = 100;

/** A draft whose people were not yet weighed with the message that it has now. */
interface Unassessed {
  audienceId: string;
  recipients: number;
  terms: MessageTerms;
}

type Outcome = 'done' | 'busy' | 'nothing to say';

/**
 * Sees to it that the people of a draft are weighed with its present message: what each costs, and who lacks a
 * variable. Cheap when that is so already. A change of the message meanwhile is seen at the end and followed; a
 * campaign that is no draft, has no audience, or nothing to say to anybody is left as it is.
 * Throws UNAVAILABLE when somebody else has been assessing it for too long.
 */
export async function ensureAssessed(
  db: Database,
  companyId: string,
  campaignId: string,
): Promise<void> {
  const endsAt = Date.now() + WAIT_MS;
  for (;;) {
    const before = await readUnassessed(db, companyId, campaignId);
    if (before === null) return;
    const outcome = await withTenantConnection(db, companyId, async (connection) => {
      if (!(await takeLock(connection, before.audienceId))) return 'busy';
      // Read again under the lock: its last holder may have done it, or the message may be another one by now.
      const now = await readUnassessed(db, companyId, campaignId);
      if (now === null || now.audienceId !== before.audienceId) return 'done';
      return assess(connection, now);
    });
    if (outcome === 'nothing to say') return;
    if (Date.now() > endsAt) {
      throw new RegenteError('UNAVAILABLE', 'The audience is still being assessed.', {
        retryAfterMs: 5_000,
      });
    }
    if (outcome === 'busy') await delay(POLL_MS);
  }
}

async function readUnassessed(
  db: Database,
  companyId: string,
  campaignId: string,
): Promise<Unassessed | null> {
  return withTenant(db, companyId, async (tx) => {
    const campaign = await tx.campaign.findUnique({ where: { id: campaignId } });
    if (campaign?.state !== 'DRAFT') return null;
    const source = await readSource(tx, campaign);
    const { audience } = source;
    if (audience === null || audience.state !== 'ready' || audience.recipients === 0) return null;
    if (isAssessed(source)) return null;
    return {
      audienceId: audience.id,
      recipients: audience.recipients,
      terms: termsOf(source),
    };
  });
}

/** Not waited for in the database: whoever waits there holds a connection. Ends with the transaction. */
async function takeLock(connection: TenantConnection, audienceId: string): Promise<boolean> {
  const { rows } = await connection.query<{ taken: boolean }>(
    'SELECT pg_try_advisory_xact_lock(execution_lock($1)) AS taken',
    [audienceId],
  );
  return rows[0]?.taken === true;
}

/** In one transaction, so that rows and totals are those of one message, whatever happens on the way. */
async function assess(connection: TenantConnection, work: Unassessed): Promise<Outcome> {
  const same = sameForAll(work.terms);
  const alike = same !== null && !(await anyCustomMessage(connection, work));
  if (alike && same.missing !== null) return 'nothing to say';
  const total = alike
    ? await applySame(connection, work, same)
    : await assessEach(connection, work);
  await connection.query(
    `UPDATE audiences SET assessed_with = $2, units = $3, missing_variables = $4, assessment = $5, updated_at = now()
       WHERE id = $1`,
    [work.audienceId, termsVersion(work.terms), total.units, total.missingVariables, total],
  );
  return 'done';
}

async function anyCustomMessage(
  connection: TenantConnection,
  { audienceId }: Unassessed,
): Promise<boolean> {
  const { rows } = await connection.query<{ found: boolean }>(
    `SELECT EXISTS (SELECT FROM campaign_recipients WHERE audience_id = $1 AND custom_message IS NOT NULL) AS found`,
    [audienceId],
  );
  return rows[0]?.found === true;
}

/** Touches nobody whose row says so already, which mostly is everybody. */
async function applySame(
  connection: TenantConnection,
  { audienceId, recipients }: Unassessed,
  same: Verdict,
): Promise<Assessment> {
  for (let from = 0; from < recipients; from += PAGE_ROWS) {
    await connection.query(
      `UPDATE campaign_recipients SET units = $2, skip_reason = NULL
         WHERE audience_id = $1 AND position BETWEEN $3 AND $4
           AND (units <> $2 OR starts_with(skip_reason, 'missing_variable:'))`,
      [audienceId, same.units, from, from + PAGE_ROWS - 1],
    );
  }
  const tally = new AssessmentTally();
  tally.add(same, recipients);
  return tally.total;
}

interface AssessedRow extends MessageFields {
  position: number;
  units: number;
  skipReason: string | null;
}

async function assessEach(
  connection: TenantConnection,
  { audienceId, recipients, terms }: Unassessed,
): Promise<Assessment> {
  const assessor = createAssessor(terms);
  const tally = new AssessmentTally();
  // The one join below is over two sides of a page each; looking every row up in the whole other side is what the
  // planner falls for where it knows nothing about a new audience.
  await connection.query('SET LOCAL enable_nestloop = off');
  for (let from = 0; from < recipients; from += PAGE_ROWS) {
    const range = [audienceId, from, Math.min(from + PAGE_ROWS, recipients) - 1];
    const { rows } = await connection.query<AssessedRow>(
      `SELECT position, address, nome, cpf_cnpj AS "cpfCnpj", idcob_contrato AS "idcobContrato",
          custom_message AS "customMessage", variables, units, skip_reason AS "skipReason"
         FROM campaign_recipients WHERE audience_id = $1 AND position BETWEEN $2 AND $3`,
      range,
    );
    const changed: { position: number; units: number; skip_reason: string | null }[] = [];
    for (const row of rows) {
      const verdict = assessor(row);
      tally.add(verdict);
      const skip = verdict.missing === null ? null : missingVariable(verdict.missing);
      if (row.units !== verdict.units || row.skipReason !== skip)
        changed.push({ position: row.position, units: verdict.units, skip_reason: skip });
    }
    if (changed.length === 0) continue;
    await connection.query(
      `UPDATE campaign_recipients r SET units = c.units, skip_reason = c.skip_reason
         FROM jsonb_to_recordset($4::jsonb) AS c(position int, units smallint, skip_reason text)
         WHERE r.audience_id = $1 AND r.position BETWEEN $2 AND $3 AND r.position = c.position`,
      [...range, JSON.stringify(changed)],
    );
  }
  return tally.total;
}
