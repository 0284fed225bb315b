import { createComposer, type Composer } from '../../domain/campaign-messages';
import type { ExecutionView } from '../../prisma/campaign-executions';
import type { Database } from '../../prisma/client';
import type { Logger } from '../../telemetry';
import type { ProviderAccount, ProviderAccounts } from '../provider-accounts';
import type { FairShare } from '../fair-share';
import { createPace, type Pace } from './pace';

export interface DispatchSettings {
  /** How long a mark allows its calls to begin. */
  leaseMs: number;
  microBatch: number;
  providerTimeoutMs: number;
  /** How long one activity works before it lets the engine look. */
  turnMs: number;
}

export interface DispatchDeps {
  db: Database;
  accounts: ProviderAccounts;
  /** Between the companies of this process. */
  share: FairShare;
  settings: DispatchSettings;
  logger: Logger;
  /** The process was told to end: micro-batches under way end, and no other begins. */
  isStopping?: () => boolean;
}

/** Everything that one turn of work on an execution has at hand. */
export interface Turn extends DispatchDeps {
  execution: ExecutionView;
  account: ProviderAccount;
  compose: Composer;
  pace: Pace;
  /** Marks of this turn whose calls have ended without proving anything, and when (`performance.now`). */
  endedMarks: Map<string, number>;
  /** The turn's time is over, or the engine wants it to end. */
  isOver: () => boolean;
}

/** Opens the execution's account, if none is given. Throws CONFIGURATION when it cannot be. */
export async function createTurn(
  deps: DispatchDeps,
  execution: ExecutionView,
  isOver: () => boolean,
  given?: ProviderAccount,
): Promise<Turn> {
  const account = given ?? (await deps.accounts.open(execution.companyId, execution.credentialId));
  return {
    ...deps,
    execution,
    account,
    compose: createComposer(execution.plan.message),
    pace: createPace(deps.db, execution, account, deps.settings),
    endedMarks: new Map(),
    isOver,
  };
}
