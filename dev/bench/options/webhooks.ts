import { readCommandLine, wholeNumbers } from './command-line';

export interface WebhooksBenchOptions {
  events: number;
  /** Null: as fast as they are answered. */
  ratePerSecond: number | null;
  connections: number;
  json: boolean;
}

export const WEBHOOKS_USAGE = `npm run -s bench -- webhooks [options]
  --events N        callbacks of one event each (100000)
  --rate N          callbacks a second, answered or not (as fast as they are answered)
  --connections N   connections of the vendor (200)
  --json            the JSON line on stdout and nothing else
`;

/** Throws RegenteError('VALIDATION') with the usage for an option that there is not. */
export function readWebhooksOptions(args: readonly string[]): WebhooksBenchOptions {
  const values = readCommandLine(args, WEBHOOKS_USAGE, OPTIONS);
  const whole = wholeNumbers(values, LIMITS, WEBHOOKS_USAGE);
  return {
    events: whole('events', 100_000),
    ratePerSecond: whole('rate', null),
    connections: whole('connections', 200),
    json: values.json,
  };
}

const OPTIONS = {
  events: { type: 'string' },
  rate: { type: 'string' },
  connections: { type: 'string' },
  json: { type: 'boolean', default: false },
} as const;

const LIMITS = {
  events: [1, 10_000_000],
  rate: [1, 100_000],
  connections: [1, 1_024],
} as const;
