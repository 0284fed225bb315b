import type { AudienceColumns, AudienceField } from './audience-columns';
import { shownValue } from './audience-rows';
import type { Throttle } from './campaign-plans';

/** Where an audience comes from: an upload, or what the system made for a retry, a clone or a test send. */
export const AUDIENCE_SOURCES = ['csv', 'list', 'retry', 'clone', 'test'] as const;
export type AudienceSource = (typeof AUDIENCE_SOURCES)[number];

export const UPLOAD_SOURCES = ['csv', 'list'] as const satisfies readonly AudienceSource[];
export type UploadSource = (typeof UPLOAD_SOURCES)[number];

/** What an upload adds up to: `rows = recipients + duplicates + invalid`. */
export interface AudienceCounts {
  recipients: number;
  /** Recipients in whose row something was repaired. */
  corrected: number;
  duplicates: number;
  invalid: number;
  invalidByReason: Record<string, number>;
}

/** Which column of the file became which field, and the names under which messages can use the others. */
export interface RecognisedColumns {
  fields: Partial<Record<AudienceField, string>>;
  variables: string[];
}

export function recognisedColumns({
  headers,
  fields,
  variables,
}: AudienceColumns): RecognisedColumns {
  const named = Object.entries(fields).map(([field, index]) => [
    field,
    shownValue(headers[index] ?? '') ?? '',
  ]);
  return {
    fields: Object.fromEntries(named) as RecognisedColumns['fields'],
    variables: [...new Set(variables.map(({ name }) => name))],
  };
}

/**
 * How long sending takes: the slower of the account's rate and the campaign's own pace decides. Null where neither
 * sets one.
 */
export function sendingSeconds(
  messages: number,
  ratePerSecond: number | null,
  throttle: Throttle,
): number | null {
  const byRate = ratePerSecond === null ? null : messages / ratePerSecond;
  const byThrottle = throttle.type === 'none' ? null : (messages * meanDelayMs(throttle)) / 1_000;
  if (byRate === null && byThrottle === null) return null;
  return Math.ceil(Math.max(byRate ?? 0, byThrottle ?? 0));
}

function meanDelayMs(throttle: Exclude<Throttle, { type: 'none' }>): number {
  return throttle.type === 'fixed'
    ? throttle.delayMs
    : (throttle.minDelayMs + throttle.maxDelayMs) / 2;
}
