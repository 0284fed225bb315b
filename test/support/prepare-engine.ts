import { findEngineBinary } from '../../dev/stack/engine-binary';
import type { Machine } from '../../dev/stack/machine';
import { RegenteError } from '../../domain/errors';

/**
 * Finds or builds the engine before the first test, with every step said: a build takes minutes, in which a test would
 * only be silent. A machine that can have none is told so, and runs the tests that need none.
 */
export async function prepareEngine(machine: Machine, say: (line: string) => void): Promise<void> {
  try {
    await findEngineBinary(machine, say);
  } catch (error) {
    if (!(error instanceof RegenteError)) throw error;
    say(error.message);
  }
}
