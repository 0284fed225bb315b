import { parseArgs } from 'node:util';
import { RegenteError } from '../../domain/errors';

export interface DispatchBenchOptions {
  recipients: number;
  /** Each round runs every contender once, one after the other; the medians are printed. */
  rounds: number;
  /** Sending processes of every contender. */
  workers: number;
  /** Connections to the vendor of every sending process. */
  connections: number;
  /** How long the vendor takes for one answer. */
  latencyMs: number;
  bullmq: boolean;
  /** Regente's own settings; null leaves what `config.ts` says. */
  lanes: number | null;
  batchSize: number | null;
  microBatch: number | null;
  /** PostgreSQL with fsync and Redis with its append-only file, as in production. */
  durable: boolean;
  /** A folder for a CPU profile of every Regente worker. */
  profileDir: string | null;
  json: boolean;
}

export const DISPATCH_USAGE = `npm run -s bench -- dispatch [options]
  --recipients N    messages of a run (50000)
  --rounds N        runs of each contender, in turn; medians are printed (1)
  --workers N       sending processes of each contender (1)
  --connections N   connections to the vendor of each process (64)
  --latency MS      what the vendor takes for an answer (0)
  --no-bullmq       leaves BullMQ out
  --lanes N, --batch N, --micro N
                    Regente's lanes, batch size and micro-batch
  --durable         PostgreSQL with fsync, Redis with its append-only file
  --profile DIR     writes a CPU profile of each Regente worker there
  --json            one JSON line on stdout and nothing else
`;

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

export interface FairnessBenchOptions {
  /** People of the large company's campaign, and of each small one's. */
  large: number;
  small: number;
  /** Small companies. */
  companies: number;
  workers: number;
  json: boolean;
}

export const FAIRNESS_USAGE = `npm run -s bench -- fairness [options]
  --large N         people of the one large campaign (1000000)
  --small N         people of each small campaign (1000)
  --companies N     companies with a small campaign (9)
  --workers N       sending processes (1)
  --json            the JSON line on stdout and nothing else
`;

/** Throws RegenteError('VALIDATION') with the usage for an option that there is not. */
export function readFairnessOptions(args: readonly string[]): FairnessBenchOptions {
  return orUsage(FAIRNESS_USAGE, () => {
    const { values } = parseArgs({ args: [...args], options: FAIRNESS_OPTIONS });
    const whole = (name: 'large' | 'small' | 'companies' | 'workers', fallback: number): number =>
      values[name] === undefined ? fallback : wholeNumber(name, values[name]);
    return {
      large: whole('large', 1_000_000),
      small: whole('small', 1_000),
      companies: whole('companies', 9),
      workers: whole('workers', 1),
      json: values.json,
    };
  });
}

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
  --connections N   connections of the vendor (50)
  --json            the JSON line on stdout and nothing else
`;

/** Throws RegenteError('VALIDATION') with the usage for an option that there is not. */
export function readWebhooksOptions(args: readonly string[]): WebhooksBenchOptions {
  return orUsage(WEBHOOKS_USAGE, () => {
    const { values } = parseArgs({ args: [...args], options: WEBHOOKS_OPTIONS });
    const { events, rate, connections, json } = values;
    return {
      events: events === undefined ? 100_000 : wholeNumber('events', events),
      ratePerSecond: rate === undefined ? null : wholeNumber('rate', rate),
      connections: connections === undefined ? 50 : wholeNumber('connections', connections),
      json,
    };
  });
}

/** Throws RegenteError('VALIDATION') with the usage for an option that there is not. */
export function readAudienceOptions(args: readonly string[]): AudienceBenchOptions {
  return orUsage(AUDIENCE_USAGE, () => {
    const { values } = parseArgs({ args: [...args], options: AUDIENCE_OPTIONS });
    return {
      rows: values.rows === undefined ? 1_000_000 : wholeNumber('rows', values.rows),
      durable: values.durable,
      profileDir: values.profile ?? null,
      json: values.json,
    };
  });
}

/** Throws RegenteError('VALIDATION') with the usage for an option that there is not. */
export function readDispatchOptions(args: readonly string[]): DispatchBenchOptions {
  return orUsage(DISPATCH_USAGE, () => {
    const { values } = parseArgs({ args: [...args], options: OPTIONS });
    const whole = <Fallback>(
      name: keyof typeof LIMITS & keyof typeof values,
      fallback: Fallback,
    ): number | Fallback =>
      values[name] === undefined ? fallback : wholeNumber(name, values[name]);
    return {
      recipients: whole('recipients', 50_000),
      rounds: whole('rounds', 1),
      workers: whole('workers', 1),
      connections: whole('connections', 64),
      latencyMs: whole('latency', 0),
      bullmq: !values['no-bullmq'],
      lanes: whole('lanes', null),
      batchSize: whole('batch', null),
      microBatch: whole('micro', null),
      durable: values.durable,
      profileDir: values.profile ?? null,
      json: values.json,
    };
  });
}

function orUsage<Options>(usage: string, read: () => Options): Options {
  try {
    return read();
  } catch (error) {
    throw new RegenteError(
      'VALIDATION',
      `${error instanceof Error ? error.message : String(error)}\n\n${usage}`,
      { cause: error },
    );
  }
}

const OPTIONS = {
  recipients: { type: 'string' },
  rounds: { type: 'string' },
  workers: { type: 'string' },
  connections: { type: 'string' },
  latency: { type: 'string' },
  'no-bullmq': { type: 'boolean', default: false },
  lanes: { type: 'string' },
  batch: { type: 'string' },
  micro: { type: 'string' },
  durable: { type: 'boolean', default: false },
  profile: { type: 'string' },
  json: { type: 'boolean', default: false },
} as const;

const AUDIENCE_OPTIONS = {
  rows: { type: 'string' },
  durable: { type: 'boolean', default: false },
  profile: { type: 'string' },
  json: { type: 'boolean', default: false },
} as const;

const FAIRNESS_OPTIONS = {
  large: { type: 'string' },
  small: { type: 'string' },
  companies: { type: 'string' },
  workers: { type: 'string' },
  json: { type: 'boolean', default: false },
} as const;

const WEBHOOKS_OPTIONS = {
  events: { type: 'string' },
  rate: { type: 'string' },
  connections: { type: 'string' },
  json: { type: 'boolean', default: false },
} as const;

const LIMITS = {
  large: [1, 10_000_000],
  small: [1, 1_000_000],
  companies: [1, 100],
  events: [1, 10_000_000],
  rate: [1, 100_000],
  rows: [1, 10_000_000],
  recipients: [1, 10_000_000],
  rounds: [1, 100],
  workers: [1, 32],
  connections: [1, 1_024],
  latency: [0, 60_000],
  lanes: [1, 64],
  batch: [1, 5_000],
  micro: [1, 1_000],
} as const;

function wholeNumber(name: keyof typeof LIMITS, text: string): number {
  const [least, most] = LIMITS[name];
  const value = Number(text);
  if (text.trim() !== '' && Number.isInteger(value) && value >= least && value <= most)
    return value;
  throw new TypeError(`--${name} wants a whole number from ${least} to ${most}`);
}
