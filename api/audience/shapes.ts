import { z } from '@hono/zod-openapi';
import {
  AUDIENCE_SOURCES,
  UPLOAD_SOURCES,
  type AudienceSource,
  type RecognisedColumns,
  type UploadSource,
} from '../../domain/audiences';
import { countsOf, type CampaignAudience } from '../../prisma/audiences';
import type { Preview as PreviewRow } from '../../prisma/audiences/previews';
import type { AudienceSummary } from '../../prisma/audiences/summary';
import type { Audience as AudienceRow } from '../../prisma/generated/client';

const moment = z.iso.datetime();
const counts = z.record(z.string(), z.int());

export const Audience = z
  .object({
    id: z.uuid(),
    source: z.enum(AUDIENCE_SOURCES),
    fileName: z.string().nullable(),
    rows: z.int().describe('`rows = recipients + duplicates + invalid`; blank lines are no rows.'),
    bytes: z.int(),
    recipients: z.int(),
    corrected: z.int(),
    duplicates: z.int(),
    invalid: z.int(),
    invalidByReason: counts,
    columns: z
      .record(z.string(), z.string())
      .describe('Which column of the file became which field.'),
    variables: z
      .array(z.string())
      .describe('The other columns, under the names that messages use.'),
    uploadedBy: z.uuid().nullable(),
    uploadedAt: moment,
  })
  .openapi('Audience');

export const AudienceState = z
  .object({
    state: z
      .enum(['empty', 'loading', 'ready'])
      .describe('`loading` while an upload runs, also when there is an audience already.'),
    audience: Audience.nullable(),
    upload: z
      .object({
        source: z.enum(UPLOAD_SOURCES),
        fileName: z.string().nullable(),
        rowsRead: z.int(),
        bytesRead: z.int(),
        uploadedBy: z.uuid().nullable(),
        startedAt: moment,
      })
      .nullable(),
  })
  .openapi('AudienceState');

export function showAudience(row: AudienceRow): z.infer<typeof Audience> {
  const { fields = {}, variables = [] } = row.columns as Partial<RecognisedColumns>;
  const { recipients, corrected, duplicates, invalid, invalidByReason } = countsOf(row);
  return {
    id: row.id,
    source: row.source as AudienceSource,
    fileName: row.fileName,
    rows: recipients + duplicates + invalid,
    bytes: Number(row.bytesRead),
    recipients,
    corrected,
    duplicates,
    invalid,
    invalidByReason,
    columns: fields,
    variables,
    uploadedBy: row.createdBy,
    uploadedAt: row.createdAt.toISOString(),
  };
}

export function showState({ audience, upload }: CampaignAudience): z.infer<typeof AudienceState> {
  return {
    state: upload !== null ? 'loading' : audience !== null ? 'ready' : 'empty',
    audience: audience === null ? null : showAudience(audience),
    upload:
      upload === null
        ? null
        : {
            source: upload.source as UploadSource,
            fileName: upload.fileName,
            rowsRead: upload.rowsRead,
            bytesRead: Number(upload.bytesRead),
            uploadedBy: upload.createdBy,
            startedAt: upload.createdAt.toISOString(),
          },
  };
}

const decimal = z.string().openapi({ example: '123.4500' });

export const Summary = z
  .object({
    audienceId: z.uuid(),
    total: z.int().describe('Rows of the file: `total = valid + duplicates + the sum of invalid`.'),
    valid: z.int(),
    corrected: z.int(),
    duplicates: z.int(),
    invalid: counts,
    sendable: z
      .int()
      .describe(
        '`valid = sendable + blocked + missingVariables`, counted as the dispatch would now.',
      ),
    blocked: z.object({ blocklist: z.int(), optOuts: z.int() }),
    missingVariables: z.object({ people: z.int(), byVariable: counts }),
    assessed: z
      .boolean()
      .describe(
        'Whether people were weighed with the message; without one there are no segments and no missing variables.',
      ),
    segments: counts.describe(
      'Text messages per number of segments and per encoding, blocked people included; empty for other channels.',
    ),
    encodings: counts,
    timeZones: z.array(z.object({ timeZone: z.string(), recipients: z.int() })),
    fish: z
      .object({ contacts: z.int(), units: z.int() })
      .describe(
        'Control contacts that approval puts beside the audience; their cost is in the estimate.',
      ),
    units: z
      .int()
      .describe("Messages or SMS segments that are paid for, by the broker's billing unit."),
    price: decimal,
    estimatedCost: decimal,
    currency: z.string(),
    budget: z
      .object({
        month: z.string().openapi({ example: '2026-11' }),
        budget: decimal.nullable(),
        used: decimal.nullable(),
        reserved: decimal.nullable(),
        remaining: decimal.nullable(),
        enough: z.boolean(),
      })
      .describe('Of the wallet, in the month in which sending begins; null figures are no money.'),
    estimatedSeconds: z
      .int()
      .nullable()
      .describe(
        "At the broker's rate and the campaign's throttle, send windows left aside; null where neither is set.",
      ),
  })
  .openapi('AudienceSummary');

export function showSummary(summary: AudienceSummary): z.infer<typeof Summary> {
  const { audience, counts, assessment, reach, fish, cost } = summary;
  return {
    audienceId: audience.id,
    total: counts.recipients + counts.duplicates + counts.invalid,
    valid: counts.recipients,
    corrected: counts.corrected,
    duplicates: counts.duplicates,
    invalid: counts.invalidByReason,
    sendable: reach.sendable,
    blocked: { blocklist: reach.blocklist, optOuts: reach.optOuts },
    missingVariables: {
      people: reach.missingVariables,
      byVariable: assessment?.missing ?? {},
    },
    assessed: assessment !== null,
    segments: assessment?.segments ?? {},
    encodings: assessment?.encodings ?? {},
    timeZones: summary.timeZones,
    fish,
    units: cost.units,
    price: cost.price,
    estimatedCost: cost.estimated,
    currency: cost.currency,
    budget: summary.budget,
    estimatedSeconds: summary.seconds,
  };
}

export const Preview = z
  .object({
    items: z.array(
      z.object({
        position: z.int(),
        address: z.string(),
        nome: z.string().nullable(),
        text: z.string(),
        sms: z
          .object({ encoding: z.enum(['gsm7', 'ucs2']), units: z.int(), segments: z.int() })
          .nullable()
          .describe('Of a text message; null for other channels.'),
        cost: decimal,
      }),
    ),
  })
  .openapi('CampaignPreview');

export function showPreview({ price, recipients }: PreviewRow): z.infer<typeof Preview> {
  const items = recipients.map(({ verdict, ...person }) => ({
    ...person,
    sms: verdict.size,
    cost: price.mul(verdict.units).toFixed(4),
  }));
  return { items };
}
