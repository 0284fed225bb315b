import type { QuietHours } from './send-windows';

/** At most this many messages to one person in this many hours. */
export interface FrequencyCap {
  max: number;
  periodHours: number;
}

export const BACKUP_INTERVALS = ['daily', 'weekly', 'monthly'] as const;
export type BackupInterval = (typeof BACKUP_INTERVALS)[number];

/** What a company can set about how it works. */
export interface CompanySettings {
  /** Seconds between two looks at an integration. */
  pollingInterval: number;
  backupInterval: BackupInterval;
  /** Hours, on the recipient's clock, in which campaigns send nothing. */
  quietHours: QuietHours | null;
  frequencyCap: FrequencyCap | null;
  /** ISO 3166: the country of phones without a country code. */
  defaultCountry: string;
}

export interface CompanyFeatures {
  aiAnalysis: boolean;
  bots: boolean;
  autoCrmFill: boolean;
  playbookGeneration: boolean;
  rankingVisibility: boolean;
}

const DEFAULT_SETTINGS: CompanySettings = {
  pollingInterval: 300,
  backupInterval: 'daily',
  quietHours: null,
  frequencyCap: null,
  defaultCountry: 'BR',
};

const DEFAULT_FEATURES: CompanyFeatures = {
  aiAnalysis: true,
  bots: true,
  autoCrmFill: true,
  playbookGeneration: true,
  rankingVisibility: false,
};

/** The settings of a company as stored, which holds only what was ever changed. */
export function companySettings(stored: unknown): CompanySettings {
  return { ...DEFAULT_SETTINGS, ...(stored as Partial<CompanySettings>) };
}

export function companyFeatures(stored: unknown): CompanyFeatures {
  return { ...DEFAULT_FEATURES, ...(stored as Partial<CompanyFeatures>) };
}

/** Whether this is an IANA time zone. Offsets such as `+03:00` are none: they know no summer time. */
export function isTimeZone(name: string): boolean {
  if (!/^[A-Za-z][\w+-]*(\/[\w+-]+)*$/.test(name)) return false;
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
}

/** Whether this is a currency code of ISO 4217, in capitals. */
export function isCurrency(code: string): boolean {
  return Intl.supportedValuesOf('currency').includes(code);
}
