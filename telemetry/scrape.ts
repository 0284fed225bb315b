import { setTimeout as delay } from 'node:timers/promises';
import type { Database } from '../prisma/client';
import { readInstallationFigures, type InstallationFigure } from '../prisma/installation-figures';
import {
  budgets,
  executionPeople,
  executions,
  inboxOverdueSeconds,
  inboxPending,
  installationText,
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
/** Prometheus gives up after ten seconds, and would then take the process for gone. */
const READ_WITHIN_MS = 2_000;
/** Figures of then are said while newer ones are late: a slow database is not one that is down. */
const USABLE_MS = 30_000;
export const BUDGET_LEVELS = ['below_80', 'from_80', 'from_95', 'exhausted'];

/** The last figures stand for a process's whole registry, so they are kept once per process. */
let readAtMs = -Infinity;
let reading: Promise<boolean> | undefined;

/**
 * What `/metrics` answers: the process's own figures, those of the installation, and `engineText`, what the engine's
 * client counts in the same format. A database that refuses, or that has said nothing for half a minute, is
 * `regente_database_up 0`, never an error and never a wait; without `db`, that of a process which has opened none yet,
 * nothing is said of it.
 * @param freshMs how long figures are not read anew
 */
export async function scrape(
  db: Database | undefined,
  engineText: () => Promise<string> = () => Promise.resolve(''),
  freshMs = FRESH_MS,
): Promise<ProbeAnswer> {
  const texts = await Promise.all([
    metricsText(),
    db === undefined ? '' : areFiguresKnown(db, freshMs).then(installationText),
    // Its client counts beside us: what it does not say is missing, and takes nothing else away.
    engineText().catch(() => ''),
  ]);
  return { status: 200, contentType: METRICS_CONTENT_TYPE, body: texts.join('') };
}

/** Reads them unless they are fresh. What comes too late is there for whoever asks next. */
async function areFiguresKnown(db: Database, freshMs: number): Promise<boolean> {
  const ageMs = (): number => performance.now() - readAtMs;
  if (ageMs() <= freshMs) return true;
  reading ??= refresh(db).finally(() => {
    reading = undefined;
  });
  const late = delay(READ_WITHIN_MS, undefined, { ref: false });
  return Promise.race([reading, late.then(() => ageMs() <= USABLE_MS)]);
}

async function refresh(db: Database): Promise<boolean> {
  try {
    const figures = await readInstallationFigures(db);
    for (const gauge of [executions, budgets]) gauge.reset();
    for (const level of BUDGET_LEVELS) budgets.set({ level }, 0);
    figures.forEach(show);
    readAtMs = performance.now();
    return true;
  } catch {
    // Said by `regente_database_up`; requests and loops log their own failures.
    return false;
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
