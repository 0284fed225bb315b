import type { MessageTerms } from '../../domain/audience-assessment';
import type { UploadSource } from '../../domain/audiences';
import { companySettings } from '../../domain/companies';
import { RegenteError } from '../../domain/errors';
import { holdCampaign } from '../campaigns/lock';
import { editorsWith, type CampaignActor } from '../campaigns/scope';
import { readSource } from '../campaigns/sources';
import { getCompany } from '../companies';
import type { Database } from '../client';
import type { Audience, Campaign } from '../generated/client';
import { withTenant, type TenantTx } from '../tenant';
import { uploadLost, type UploadKey } from './chunks';
import type { LoadedAudience } from './loader';
import { termsOf, termsVersion } from './terms';

/**
 * An upload that gave no sign for so long has died with its process, and another may take its place; one that lives
 * gives one every second (`touchUpload`), or holds its row, for which a sign has to wait. As long as for an abandoned key
 * (prisma/idempotency-keys.ts): a repetition waits for both.
 */
const STALE_AFTER_S = 15;

/** A running upload, and what its rows are read for. */
export interface AudienceUpload extends UploadKey {
  campaignId: string;
  terms: MessageTerms;
  companyTimeZone: string;
  defaultCountry: string;
}

export interface UploadOrigin {
  source: UploadSource;
  fileName: string | null;
}

/**
 * Begins an upload; until it is finished the campaign keeps the audience that it has.
 * Throws NOT_FOUND, and CONFLICT when the campaign is no draft or another upload of it is running.
 */
export async function beginUpload(
  db: Database,
  companyId: string,
  actor: CampaignActor,
  campaignId: string,
  { source, fileName }: UploadOrigin,
): Promise<AudienceUpload> {
  return withTenant(db, companyId, async (tx) => {
    const { campaign } = await holdCampaign(tx, actor, campaignId);
    requireDraft(campaign);
    await refuseRunningUpload(tx, campaignId);
    const { id: audienceId } = await tx.audience.create({
      data: { companyId, campaignId, source, fileName, createdBy: actor.id },
    });
    const campaignSource = await readSource(tx, campaign);
    const company = await getCompany(tx);
    return {
      companyId,
      audienceId,
      campaignId,
      terms: termsOf(campaignSource),
      companyTimeZone: company.timeZone,
      defaultCountry: companySettings(company.settings).defaultCountry,
    };
  });
}

/** The upload that is running now, if any, as far as it can be seen without holding its row. */
export async function runningUpload(tx: TenantTx, campaignId: string): Promise<Audience | null> {
  const [running] = await tx.$queryRaw<{ id: string }[]>`
    SELECT id FROM audiences WHERE campaign_id = ${campaignId}::uuid AND state = 'loading'
      AND updated_at > clock_timestamp() - make_interval(secs => ${STALE_AFTER_S})`;
  return running === undefined ? null : tx.audience.findUnique({ where: { id: running.id } });
}

/** For whoever holds the campaign. Gives up an upload that has died; throws CONFLICT while one is on its way. */
export async function refuseRunningUpload(tx: TenantTx, campaignId: string): Promise<void> {
  await giveUpStale(tx, campaignId);
  const running = await tx.audience.findFirst({ where: { campaignId, state: 'loading' } });
  if (running === null) return;
  throw new RegenteError('CONFLICT', 'An upload of this campaign is running; wait for its end.', {
    details: { startedAt: running.createdAt.toISOString(), rowsRead: running.rowsRead },
    retryAfterMs: 5_000,
  });
}

/** Not where the row is held: by the upload itself, whose sign may be waiting for that. */
async function giveUpStale(tx: TenantTx, campaignId: string): Promise<void> {
  await tx.$executeRaw`
    UPDATE audiences SET state = 'failed' WHERE id IN (
      SELECT id FROM audiences WHERE campaign_id = ${campaignId}::uuid AND state = 'loading'
        AND updated_at <= clock_timestamp() - make_interval(secs => ${STALE_AFTER_S})
        FOR UPDATE SKIP LOCKED)`;
}

/** The sign of life, which also says how far the upload is. */
export async function touchUpload(
  db: Database,
  { companyId, audienceId }: UploadKey,
  { rowsRead, bytesRead }: { rowsRead: number; bytesRead: number },
): Promise<void> {
  await withTenant(
    db,
    companyId,
    (tx) => tx.$executeRaw`
      UPDATE audiences SET rows_read = ${rowsRead}::int, bytes_read = ${bytesRead}::bigint, updated_at = clock_timestamp()
        WHERE id = ${audienceId}::uuid AND state = 'loading'`,
  );
}

export interface FinishedUpload {
  before: Audience | null;
  after: Audience;
}

/**
 * Makes the loaded audience the campaign's. Throws CONFLICT when the campaign is no draft any more, sends through
 * another channel now, or the upload was given up meanwhile.
 */
export async function finishUpload(
  tx: TenantTx,
  actor: CampaignActor,
  upload: AudienceUpload,
  loaded: LoadedAudience & { rowsRead: number; bytesRead: number },
): Promise<FinishedUpload> {
  const { audienceId, campaignId, terms } = upload;
  const { campaign } = await holdCampaign(tx, actor, campaignId);
  requireDraft(campaign);
  const source = await readSource(tx, campaign);
  if (termsOf(source).channel !== terms.channel) {
    throw new RegenteError(
      'CONFLICT',
      'The campaign got a broker with another channel during the upload. Upload the file again.',
    );
  }
  const { counts, columns, timeZones, assessment, rowsRead, bytesRead } = loaded;
  const made = await tx.audience.updateMany({
    where: { id: audienceId, state: 'loading' },
    data: {
      state: 'ready',
      rowsRead,
      bytesRead,
      ...counts,
      columns: { ...columns },
      timeZones,
      ...(assessment === null
        ? {}
        : {
            assessedWith: termsVersion(terms),
            units: assessment.units,
            missingVariables: assessment.missingVariables,
            assessment: { ...assessment },
          }),
    },
  });
  if (made.count === 0) throw uploadLost();
  await tx.campaign.update({
    where: { id: campaignId },
    data: { audienceId, editors: await editorsWith(tx, campaign.editors, actor) },
  });
  const after = await tx.audience.findUniqueOrThrow({ where: { id: audienceId } });
  return { before: source.audience, after };
}

/** Ends an upload without effect; its rows are `sweepAudiences`'s to remove. */
export async function failUpload(
  db: Database,
  { companyId, audienceId }: UploadKey,
): Promise<void> {
  await withTenant(db, companyId, (tx) =>
    tx.audience.updateMany({
      where: { id: audienceId, state: 'loading' },
      data: { state: 'failed' },
    }),
  );
}

function requireDraft({ state }: Campaign): void {
  if (state === 'DRAFT') return;
  const editable = state === 'PENDING_APPROVAL' || state === 'APPROVED';
  throw new RegenteError(
    'CONFLICT',
    editable
      ? `An audience is uploaded to a draft; the campaign is ${state}. Editing it makes it a draft again.`
      : `An audience is uploaded to a draft; the campaign is ${state}. Clone it to send to other people.`,
    { details: { state, allowedFrom: ['DRAFT'] } },
  );
}
