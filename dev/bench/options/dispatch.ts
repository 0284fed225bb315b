import { ENGINE_KINDS, type EngineKind } from '../stage';
import { oneOf, readCommandLine, wholeNumbers } from './command-line';

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
  /** No run beforehand: processes that have just started. */
  cold: boolean;
  /** Regente's own settings; null leaves what `config.ts` says. */
  lanes: number | null;
  batchSize: number | null;
  microBatch: number | null;
  engine: EngineKind;
  /** Of the engine on PostgreSQL. */
  historyShards: number;
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
  --cold            no small run beforehand: nothing is compiled, connected or planned
  --lanes N, --batch N, --micro N
                    Regente's lanes, batch size and micro-batch
  --engine KIND     dev, or postgres: the plain Temporal server on PostgreSQL (dev)
  --history-shards N
                    of the engine on PostgreSQL (64)
  --durable         PostgreSQL with fsync, Redis with its append-only file
  --profile DIR     writes a CPU profile of each Regente worker there
  --json            one JSON line on stdout and nothing else
`;

/** Throws RegenteError('VALIDATION') with the usage for an option that there is not. */
export function readDispatchOptions(args: readonly string[]): DispatchBenchOptions {
  const values = readCommandLine(args, DISPATCH_USAGE, OPTIONS);
  const whole = wholeNumbers(values, LIMITS, DISPATCH_USAGE);
  return {
    recipients: whole('recipients', 50_000),
    rounds: whole('rounds', 1),
    workers: whole('workers', 1),
    connections: whole('connections', 64),
    latencyMs: whole('latency', 0),
    bullmq: !values['no-bullmq'],
    cold: values.cold,
    lanes: whole('lanes', null),
    batchSize: whole('batch', null),
    microBatch: whole('micro', null),
    engine: oneOf(ENGINE_KINDS, 'engine', values.engine, DISPATCH_USAGE),
    historyShards: whole('history-shards', 64),
    durable: values.durable,
    profileDir: values.profile ?? null,
    json: values.json,
  };
}

const OPTIONS = {
  recipients: { type: 'string' },
  rounds: { type: 'string' },
  workers: { type: 'string' },
  connections: { type: 'string' },
  latency: { type: 'string' },
  'no-bullmq': { type: 'boolean', default: false },
  cold: { type: 'boolean', default: false },
  lanes: { type: 'string' },
  batch: { type: 'string' },
  micro: { type: 'string' },
  engine: { type: 'string', default: 'dev' },
  'history-shards': { type: 'string' },
  durable: { type: 'boolean', default: false },
  profile: { type: 'string' },
  json: { type: 'boolean', default: false },
} as const;

const LIMITS = {
  recipients: [1, 10_000_000],
  rounds: [1, 100],
  workers: [1, 32],
  connections: [1, 1_024],
  latency: [0, 60_000],
  lanes: [1, 64],
  batch: [1, 5_000],
  micro: [1, 1_000],
  'history-shards': [1, 16_384],
} as const;
