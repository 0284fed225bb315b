import type { z } from '@hono/zod-openapi';
import { RegenteError } from '../../domain/errors';
import { AudienceLoader, type LoadedAudience } from '../../prisma/audiences/loader';
import { sweepAudiences } from '../../prisma/audiences/sweep';
import {
  beginUpload,
  failUpload,
  finishUpload,
  touchUpload,
  type AudienceUpload,
} from '../../prisma/audiences/uploads';
import type { Audience as AudienceRow } from '../../prisma/generated/client';
import type { CountryCode } from '../../domain/phones';
import { actorOf, type ApiDeps, type AppContext } from '../context';
import { discardRest, uploadOf } from '../uploads';
import { write } from '../write';
import type { GivenMapping } from './columns';
import { readAudienceList, type SentList } from './lists';
import { parseAudienceCsv, type AudienceCsvOptions } from './parse';
import { showAudience, type Audience } from './shapes';
import { UploadPulse } from './upload-pulse';
import { UploadWatch } from './upload-watch';

/** What an upload says of itself. */
export interface UploadRequest {
  campaignId: string;
  fileName: string | null;
  mapping: GivenMapping;
  /** The people themselves, where they came as JSON and not as a file. */
  list: SentList | null;
}

/**
 * Reads the uploaded people into a new audience and gives it to the campaign once all of it is there. Whatever fails,
 * the client's leaving too, leaves the campaign with the audience that it had.
 */
export async function uploadAudience(
  c: AppContext,
  deps: ApiDeps,
  { campaignId, fileName, mapping, list }: UploadRequest,
): Promise<z.infer<typeof Audience>> {
  const { db, config, logger } = deps;
  const actor = actorOf(c);
  const { companyId } = actor;
  refuseTooLarge(c, config.AUDIENCE_MAX_BYTES);
  const source = list === null ? ('csv' as const) : ('list' as const);
  const upload = await beginUpload(db, companyId, actor, campaignId, { source, fileName });
  const options = optionsOf(upload, deps, mapping);
  const loader = new AudienceLoader(db, upload);
  const pulse = new UploadPulse((totals) => touchUpload(db, upload, totals));
  try {
    if (list === null) await loadFile(c, deps, { loader, options, pulse });
    else await loadList(list, loader, options, pulse);
    const loaded = await loader.finish();
    refuseNobody(loaded);
    return await write(c, db, 200, async (tx, audit) => {
      const { before, after } = await finishUpload(tx, actor, upload, {
        ...loaded,
        ...pulse.totals,
      });
      await audit({
        action: 'campaign.upload_audience',
        entityType: 'campaign',
        entityId: campaignId,
        before: before === null ? null : auditFacts(before),
        after: auditFacts(after),
      });
      return showAudience(after);
    });
  } catch (error) {
    await loader.settle();
    await failUpload(db, upload).catch((failure: unknown) =>
      logger.warn({ err: failure, campaignId }, 'a failed upload is given up later'),
    );
    throw error;
  } finally {
    pulse.stop();
    void sweepAudiences(db, companyId, campaignId).catch((failure: unknown) =>
      logger.warn({ err: failure, campaignId }, 'audiences are removed with the next upload'),
    );
  }
}

async function loadFile(
  c: AppContext,
  { uploadPatienceMs }: ApiDeps,
  {
    loader,
    options,
    pulse,
  }: { loader: AudienceLoader; options: AudienceCsvOptions; pulse: UploadPulse },
): Promise<void> {
  const file = await uploadOf(c);
  const { batches, progress } = parseAudienceCsv(file, options);
  pulse.follow(() => ({ rowsRead: progress.rows, bytesRead: progress.receivedBytes }));
  const watch = new UploadWatch(file, () => progress.receivedBytes, uploadPatienceMs);
  try {
    for await (const batch of batches) {
      if (progress.file === null)
        throw new RegenteError('INTERNAL', 'Rows came before the columns of the file.');
      const { columns } = progress.file;
      await watch.whileBusy(() => loader.add(batch, columns));
    }
  } catch (error) {
    if (file.errored !== null) throw brokenOff(file.errored);
    await discardRest(c, file);
    throw error;
  } finally {
    watch.stop();
  }
}

async function loadList(
  list: SentList,
  loader: AudienceLoader,
  options: AudienceCsvOptions,
  pulse: UploadPulse,
): Promise<void> {
  if (list.items.length > options.limits.maxRows) {
    const { maxRows } = options.limits;
    const limit = maxRows.toLocaleString('en');
    throw new RegenteError('PAYLOAD_TOO_LARGE', `The list has more than ${limit} people.`, {
      details: { maxRows },
    });
  }
  const { batch, columns } = readAudienceList(list, options);
  pulse.follow(() => ({ rowsRead: list.items.length, bytesRead: list.bytes }));
  await loader.add(batch, columns);
}

function optionsOf(
  { terms, companyTimeZone, defaultCountry }: AudienceUpload,
  { config }: ApiDeps,
  mapping: GivenMapping,
): AudienceCsvOptions {
  return {
    channel: terms.channel,
    defaultCountry: defaultCountry as CountryCode,
    companyTimeZone,
    ...mapping,
    limits: { maxRows: config.AUDIENCE_MAX_ROWS, maxBytes: config.AUDIENCE_MAX_BYTES },
  };
}

/** Before anything is read; a file that does not say its size is counted as it comes. */
function refuseTooLarge(c: AppContext, maxBytes: number): void {
  if (Number(c.req.header('content-length') ?? 0) <= maxBytes) return;
  const limit = `${Math.floor(maxBytes / 1_000_000).toLocaleString('en')} MB`;
  throw new RegenteError('PAYLOAD_TOO_LARGE', `The file is larger than ${limit}. Split it.`, {
    details: { maxBytes },
  });
}

/** A file of nobody is a wrong file or a wrong mapping; in the place of a good audience it would only do harm. */
function refuseNobody({ counts, columns, firstRejects }: LoadedAudience): void {
  const { recipients, invalid, invalidByReason } = counts;
  if (recipients > 0) return;
  const reasons = Object.entries(invalidByReason).map(([reason, rows]) => `${reason}: ${rows}`);
  throw new RegenteError(
    'VALIDATION',
    `None of the ${invalid} rows can be used (${reasons.join(', ')}). The campaign keeps the audience that it has. ` +
      'See `rejects` for the first rows, and `columns` for what each column was read as; `mapping` says otherwise.',
    { details: { invalid, invalidByReason, columns: columns.fields, rejects: firstRejects } },
  );
}

const brokenOff = (cause: Error): RegenteError =>
  cause instanceof RegenteError
    ? cause
    : new RegenteError('VALIDATION', 'The upload broke off before its end. Send it again.', {
        cause,
      });

/** What the audit keeps: numbers, no people. */
function auditFacts(audience: AudienceRow): object {
  const { id, source, fileName, recipients, corrected, duplicates, invalid } = audience;
  return { audienceId: id, source, fileName, recipients, corrected, duplicates, invalid };
}
