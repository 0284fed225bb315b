import type { Database } from './client';
import { queryAcross } from './tenant';

/** One figure of the whole installation, no company's in particular. */
export interface InstallationFigure {
  figure:
    | 'executions'
    | 'people'
    | 'outbox_due'
    | 'outbox_overdue'
    | 'inbox_pending'
    | 'inbox_overdue'
    | 'budgets'
    | 'ledger_months';
  /** An execution's, a message's or, for budgets, how far they are used. */
  state: string | null;
  /** For executions: why they wait or have stopped; `none` for nothing. */
  reason: string | null;
  /** A count; seconds for `…_overdue`. */
  value: number;
}

/** What is open, late or nearly spent, across companies. */
export function readInstallationFigures(db: Database): Promise<InstallationFigure[]> {
  return queryAcross(db, 'SELECT figure, state, reason, value FROM installation_figures()', []);
}
