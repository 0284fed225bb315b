import type { Scenario } from '../scenario';
import { serverScenarios } from './servers';
import { workerScenarios } from './workers';

/** In the order in which they are run. */
export const SCENARIOS: readonly Scenario[] = [...workerScenarios, ...serverScenarios];
