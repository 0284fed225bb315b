import type { Database } from '../prisma/client';
import { readInstallationFigures, type InstallationFigure } from '../prisma/installation-figures';
import {
  budgets,
  databaseUp,
  executionPeople,
  executions,
  inboxOverdueSeconds,
  inboxPending,
  ledgerMonthsAhead,
  METRICS_CONTENT_TYPE,
  metricsText,
  outboxDue,
  outboxOverdueSeconds,
} from './metrics';
import type { ProbeAnswer } from './probes';
import { stopReason } from './reasons';

/** However many ask, PostgreSQL is asked once in so long. */
const FRESH_MS = 10_000;
const BUDGET_LEVELS = ['below_80', 'from_80', 'from_95', 'exhausted'];

/** The last figures stand for a process's whole registry, so they are kept once per process. */
let readAtMs = -Infinity;
let reading: Promise<void> | undefined;

/**
 * What `/metrics` answers: the process's own figures, those of the installation, and `engineText`, what the engine's
 * client counts in the same format. A database that is down is `regente_database_up 0`, never an error.
 */
export async function scrape(
  db: Database | undefined,
  engineText: () => Promise<string> = () => Promise.resolve(''),
): Promise<ProbeAnswer> {
  if (db !== undefined && performance.now() - readAtMs > FRESH_MS) {
    reading ??= refresh(db).finally(() => {
      reading = undefined;
    });
    await reading;
  }
  const body = `${await metricsText()}${await engineText()}`;
  return { status: 200, contentType: METRICS_CONTENT_TYPE, body };
}

async function refresh(db: Database): Promise<void> {
  for (const gauge of [executions, budgets]) gauge.reset();
  try {
    const figures = await readInstallationFigures(db);
    for (const level of BUDGET_LEVELS) budgets.set({ level }, 0);
    figures.forEach(show);
    databaseUp.set(1);
    readAtMs = performance.now();
  } catch {
    databaseUp.set(0);
  }
}

function show({ figure, state, reason, value }: InstallationFigure): void {
  switch (figure) {
    case 'executions':
      return executions.inc({ state: state ?? '', reason: stopReason(reason) }, value);
    case 'people':
      return executionPeople.set({ state: state ?? '' }, value);
    case 'outbox_due':
      return outboxDue.set(value);
    case 'outbox_overdue':
      return outboxOverdueSeconds.set(value);
    case 'inbox_pending':
      return inboxPending.set(value);
    case 'inbox_overdue':
      return inboxOverdueSeconds.set(value);
    case 'budgets':
      return budgets.set({ level: state ?? '' }, value);
    case 'ledger_months':
      return ledgerMonthsAhead.set(value);
  }
}
