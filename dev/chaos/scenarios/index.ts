import type { Scenario } from '../scenario';
import { apiScenarios } from './api';
import { budgetScenarios } from './budget';
import { controlScenarios } from './control';
import { frozenScenarios } from './frozen';
import { reconcileScenarios } from './frozen-reconcile';
import { resourceScenarios } from './resources';
import { serverScenarios } from './servers';
import { vendorScenarios } from './vendor';
import { webhookScenarios } from './webhooks';
import { workerScenarios } from './workers';

/** In the order in which they are run. */
export const SCENARIOS: readonly Scenario[] = [
  ...workerScenarios,
  ...frozenScenarios,
  ...reconcileScenarios,
  ...apiScenarios,
  ...serverScenarios,
  ...vendorScenarios,
  ...controlScenarios,
  ...budgetScenarios,
  ...webhookScenarios,
  ...resourceScenarios,
];
