import { readCommandLine, wholeNumbers } from './command-line';

export interface AudienceBenchOptions {
  rows: number;
  durable: boolean;
  /** A folder for a CPU profile of the API. */
  profileDir: string | null;
  json: boolean;
}

export const AUDIENCE_USAGE = `npm run -s bench -- audience [options]
  --rows N          people of the file (1000000)
  --durable         PostgreSQL with fsync
  --profile DIR     writes a CPU profile of the API there
  --json            one JSON line on stdout and nothing else
`;

/** Throws RegenteError('VALIDATION') with the usage for an option that there is not. */
export function readAudienceOptions(args: readonly string[]): AudienceBenchOptions {
  const values = readCommandLine(args, AUDIENCE_USAGE, OPTIONS);
  const whole = wholeNumbers(values, LIMITS, AUDIENCE_USAGE);
  return {
    rows: whole('rows', 1_000_000),
    durable: values.durable,
    profileDir: values.profile ?? null,
    json: values.json,
  };
}

const OPTIONS = {
  rows: { type: 'string' },
  durable: { type: 'boolean', default: false },
  profile: { type: 'string' },
  json: { type: 'boolean', default: false },
} as const;

const LIMITS = { rows: [1, 10_000_000] } as const;
