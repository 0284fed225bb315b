import { parseArgs, type ParseArgsConfig } from 'node:util';
import { RegenteError } from '../../../domain/errors';

/**
 * Reads a bench's own options.
 * @throws VALIDATION with the usage for an option that there is not or a value that does not fit.
 */
export function readCommandLine<const Config extends NonNullable<ParseArgsConfig['options']>>(
  args: readonly string[],
  usage: string,
  options: Config,
): ReturnType<typeof parseArgs<{ args: string[]; options: Config }>>['values'] {
  return orUsage(usage, () => parseArgs({ args: [...args], options }).values);
}

/** Answers with a reader of whole numbers; what was left out is its fallback. */
export function wholeNumbers<Name extends string>(
  values: Readonly<Partial<Record<NoInfer<Name>, string | undefined>>>,
  limits: Readonly<Record<Name, readonly [number, number]>>,
  usage: string,
): <Fallback>(name: Name, fallback: Fallback) => number | Fallback {
  return (name, fallback) => {
    const text = values[name];
    if (text === undefined) return fallback;
    return orUsage(usage, () => {
      const [least, most] = limits[name];
      const value = Number(text);
      if (text.trim() !== '' && Number.isInteger(value) && value >= least && value <= most)
        return value;
      throw new TypeError(`--${name} wants a whole number from ${least} to ${most}`);
    });
  };
}

/** @throws VALIDATION with the usage for a value that is none of these. */
export function oneOf<const Choice extends string>(
  choices: readonly Choice[],
  name: string,
  value: string,
  usage: string,
): Choice {
  return orUsage(usage, () => {
    const choice = choices.find((each) => each === value);
    if (choice !== undefined) return choice;
    throw new TypeError(`--${name} wants one of ${choices.join(', ')}`);
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
