import { parseArgs } from 'node:util';
import { RegenteError } from '../../domain/errors';

export interface ChaosOptions {
  seed: number;
  /** People of each scenario, shared by its campaigns. */
  recipients: number;
  /** Scenarios to run, in their order; null: all. */
  only: readonly string[] | null;
  outageSeconds: number;
  list: boolean;
}

export const USAGE = `npm run -s chaos -- [options]
  --seed N          of every random moment and choice (1)
  --recipients N    people of each scenario (20000)
  --only A,B        these scenarios only
  --outage N        seconds of the vendor's long outage (60)
  --list            names the scenarios and what each of them does
One JSON line per scenario and one that sums up are on stdout, everything else on stderr.
Ends with 1 when a promise was broken.
`;

/** @throws VALIDATION with the usage for an option, or a scenario, that there is not. */
export function readOptions(args: readonly string[], scenarios: readonly string[]): ChaosOptions {
  try {
    const { values } = parseArgs({ args: [...args], options: OPTIONS });
    return {
      seed: wholeNumber('seed', values.seed, 0, 2 ** 32 - 1),
      recipients: wholeNumber('recipients', values.recipients, 200, 1_000_000),
      outageSeconds: wholeNumber('outage', values.outage, 3, 3_600),
      only: values.only === undefined ? null : namesIn(values.only, scenarios),
      list: values.list,
    };
  } catch (error) {
    throw new RegenteError(
      'VALIDATION',
      `${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`,
      { cause: error },
    );
  }
}

const OPTIONS = {
  seed: { type: 'string', default: '1' },
  recipients: { type: 'string', default: '20000' },
  outage: { type: 'string', default: '60' },
  only: { type: 'string' },
  list: { type: 'boolean', default: false },
} as const;

function namesIn(text: string, scenarios: readonly string[]): string[] {
  const names = text.split(',').filter((name) => name !== '');
  const missing = names.filter((name) => !scenarios.includes(name));
  if (names.length === 0 || missing.length > 0)
    throw new TypeError(`--only wants names of scenarios (--list); not ${missing.join(', ')}`);
  return names;
}

function wholeNumber(name: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (text.trim() !== '' && Number.isInteger(value) && value >= least && value <= most)
    return value;
  throw new TypeError(`--${name} wants a whole number from ${least} to ${most}`);
}
