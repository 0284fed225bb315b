import { z } from 'zod';
import { BACKUP_INTERVALS, isCurrency, isTimeZone } from './companies';
import { plainText, SearchText } from './plain-text.schema';

const time = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/, 'must be HH:mm');

const QuietHours = z
  .strictObject({ start: time, end: time })
  .refine(({ start, end }) => start !== end, { error: 'start and end must differ', path: ['end'] });

const FrequencyCap = z.strictObject({
  max: z.int().min(1).max(1_000),
  periodHours: z.int().min(1).max(8_760),
});

export const CompanySettings = z.strictObject({
  pollingInterval: z.int().min(30).max(86_400),
  backupInterval: z.enum(BACKUP_INTERVALS),
  quietHours: QuietHours.nullable(),
  frequencyCap: FrequencyCap.nullable(),
  defaultCountry: z.string().regex(/^[A-Z]{2}$/, 'must be an ISO 3166 code such as BR'),
});

export const CompanyFeatures = z.strictObject({
  aiAnalysis: z.boolean(),
  bots: z.boolean(),
  autoCrmFill: z.boolean(),
  playbookGeneration: z.boolean(),
  rankingVisibility: z.boolean(),
});

const Slug = z
  .string()
  .regex(/^[a-z0-9](?:[a-z0-9-]{0,48}[a-z0-9])?$/, 'must be lower-case letters, digits and hyphens')
  .refine((slug) => !/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(slug), {
    error: 'must not look like an id',
  });

const fields = {
  name: plainText(200),
  domain: z
    .string()
    .max(253)
    .toLowerCase()
    .regex(
      /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$/,
      'must be a domain name such as example.com.br',
    )
    .nullable(),
  timeZone: z.string().refine(isTimeZone, 'must be an IANA time zone such as America/Sao_Paulo'),
  currency: z.string().refine(isCurrency, 'must be an ISO 4217 code such as BRL'),
};

/** A new company; what is left out takes its default. */
export const CompanyInput = z.strictObject({
  slug: Slug,
  name: fields.name,
  domain: fields.domain.optional(),
  timeZone: fields.timeZone.optional(),
  currency: fields.currency.optional(),
});
export type CompanyInput = z.infer<typeof CompanyInput>;

/** Settings and features are merged key by key; what is not named stays. */
export const CompanyPatch = z
  .strictObject({
    ...fields,
    features: CompanyFeatures.partial(),
    settings: CompanySettings.partial(),
  })
  .partial();
export type CompanyPatch = z.infer<typeof CompanyPatch>;

export const CompanyFilter = z.object({
  text: SearchText.optional().describe('A part of the name or of the slug.'),
});
