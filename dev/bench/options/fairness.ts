import { readCommandLine, wholeNumbers } from './command-line';

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
  const values = readCommandLine(args, FAIRNESS_USAGE, OPTIONS);
  const whole = wholeNumbers(values, LIMITS, FAIRNESS_USAGE);
  return {
    large: whole('large', 1_000_000),
    small: whole('small', 1_000),
    companies: whole('companies', 9),
    workers: whole('workers', 1),
    json: values.json,
  };
}

const OPTIONS = {
  large: { type: 'string' },
  small: { type: 'string' },
  companies: { type: 'string' },
  workers: { type: 'string' },
  json: { type: 'boolean', default: false },
} as const;

const LIMITS = {
  large: [1, 10_000_000],
  small: [1, 1_000_000],
  companies: [1, 100],
  workers: [1, 32],
} as const;
