import { readCommandLine, wholeNumbers } from './command-line';

export interface ControlBenchOptions {
  pauses: number;
  /** People of the campaign, enough for all of the pauses. */
  recipients: number;
  workers: number;
  /** Of the random moments. */
  seed: number;
  json: boolean;
}

export const CONTROL_USAGE = `npm run -s bench -- control [options]
  --pauses N        pauses of the campaign (30)
  --recipients N    people of the campaign, enough for all of the pauses (500000)
  --workers N       sending processes (1)
  --seed N          of the random moments (1)
  --json            the JSON line on stdout and nothing else
`;

/** Throws RegenteError('VALIDATION') with the usage for an option that there is not. */
export function readControlOptions(args: readonly string[]): ControlBenchOptions {
  const values = readCommandLine(args, CONTROL_USAGE, OPTIONS);
  const whole = wholeNumbers(values, LIMITS, CONTROL_USAGE);
  return {
    pauses: whole('pauses', 30),
    recipients: whole('recipients', 500_000),
    workers: whole('workers', 1),
    seed: whole('seed', 1),
    json: values.json,
  };
}

const OPTIONS = {
  pauses: { type: 'string' },
  recipients: { type: 'string' },
  workers: { type: 'string' },
  seed: { type: 'string' },
  json: { type: 'boolean', default: false },
} as const;

const LIMITS = {
  pauses: [1, 1_000],
  recipients: [1, 5_000_000],
  workers: [1, 32],
  seed: [0, 1_000_000],
} as const;
