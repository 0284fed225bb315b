import { accessSync, constants, statSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { RegenteError } from '../../domain/errors';

export interface DemoOptions {
  json: boolean;
  /** Leaves everything running at the end, until Ctrl-C. */
  keep: boolean;
  /** The user's own file. */
  csv: string | null;
  /** Invented people instead of the example file. */
  recipients: number | null;
}

export const USAGE = `npm run demo -- [options]
  --csv FILE        send the people of your own file (only to the stand-in vendor)
  --recipients N    invent N people, up to 10,000,000
  --keep            stay up at the end, with the addresses and a login, until Ctrl-C; then nothing is left
  --json            print one JSON line on stdout and nothing else (npm run -s demo -- --json)
  --help            print this
`;

/** @throws NOT_FOUND when this is no file that can be read: said before anything is started. */
export function requireReadable(path: string): void {
  try {
    if (statSync(path).isDirectory())
      throw new RegenteError('NOT_FOUND', `--csv: ${path} is a folder; name a CSV file in it.`);
    accessSync(path, constants.R_OK);
  } catch (error) {
    if (error instanceof RegenteError) throw error;
    const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    const why = isMissing ? 'there is no such file' : 'it cannot be read';
    throw new RegenteError('NOT_FOUND', `--csv: ${path}: ${why}.`, { cause: error });
  }
}

/** Throws RegenteError('VALIDATION') with the usage for an option that there is not. */
export function readOptions(args: readonly string[]): DemoOptions {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        json: { type: 'boolean', default: false },
        keep: { type: 'boolean', default: false },
        csv: { type: 'string' },
        recipients: { type: 'string' },
      },
    });
    const recipients = values.recipients === undefined ? null : Number(values.recipients);
    if (
      recipients !== null &&
      !(Number.isInteger(recipients) && recipients > 0 && recipients <= 10_000_000)
    ) {
      throw new TypeError('--recipients wants a whole number from 1 to 10,000,000');
    }
    if (recipients !== null && values.csv !== undefined)
      throw new TypeError('--csv and --recipients exclude each other');
    return { json: values.json, keep: values.keep, csv: values.csv ?? null, recipients };
  } catch (error) {
    throw new RegenteError(
      'VALIDATION',
      `${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`,
      { cause: error },
    );
  }
}
