import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

/*
 * Every metric of Regente, each set in one place; docs/operations.md lists them. No label ever names a company, a
 * campaign or a person, and every label has a closed set of values, so that the number of series does not grow.
 */

/** One per process: an API and a worker in the same process answer the same figures. */
export const registry = new Registry();
/** What is read from PostgreSQL, and answered only when it was: a figure that nobody has read would be a false 0. */
export const installationRegistry = new Registry();
const registers = [registry];
const ofInstallation = [installationRegistry];
const FAST_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

export const httpRequestSeconds = new Histogram({
  name: 'regente_http_request_duration_seconds',
  help: 'From the head of a request to its answer, by route and class of status; also of one that was refused before its route. `none`: there is no such route.',
  labelNames: ['method', 'route', 'status'] as const,
  buckets: FAST_SECONDS,
  registers,
});

export const messages = new Counter({
  name: 'regente_messages_total',
  help: 'Results written to the ledger, as the worker settled them; queued: put back to be tried again.',
  labelNames: ['provider', 'state', 'reason'] as const,
  registers,
});

export const gatedPeople = new Counter({
  name: 'regente_gated_people_total',
  help: 'People whom the gate skipped, or deferred (queued), instead of marking them; who is deferred again counts again, and send_window stands for quiet hours too.',
  labelNames: ['provider', 'state', 'reason'] as const,
  registers,
});

export const providerBatchSeconds = new Histogram({
  name: 'regente_provider_batch_duration_seconds',
  help: 'How long a provider took over a micro-batch, queueing for a connection included.',
  labelNames: ['provider'] as const,
  buckets: FAST_SECONDS,
  registers,
});

export const providerHolds = new Counter({
  name: 'regente_provider_holds_total',
  help: 'Micro-batches after which a provider was left alone: slower, down, refused, or replaced by a new config.',
  labelNames: ['provider', 'kind'] as const,
  registers,
});

export const waits = new Counter({
  name: 'regente_waits_total',
  help: 'Waits of lanes, by reason.',
  labelNames: ['reason'] as const,
  registers,
});

export const waitSeconds = new Counter({
  name: 'regente_wait_seconds_total',
  help: 'For how long lanes were told to wait, by reason; a signal may end a wait earlier.',
  labelNames: ['reason'] as const,
  registers,
});

export const settleRetries = new Counter({
  name: 'regente_settle_retries_total',
  help: 'Settles that the database did not take and that were tried again.',
  registers,
});

export const lateAcceptances = new Counter({
  name: 'regente_late_acceptances_total',
  help: 'Acceptances that came after the message had been given up or put back.',
  labelNames: ['provider'] as const,
  registers,
});

export const secondIds = new Counter({
  name: 'regente_second_ids_total',
  help: 'Messages for which a provider gave two ids: two messages where there should be one.',
  labelNames: ['provider'] as const,
  registers,
});

export const stateChanges = new Counter({
  name: 'regente_state_changes_total',
  help: 'State changes of executions by the dispatch itself.',
  labelNames: ['verb', 'reason'] as const,
  registers,
});

export const laneFaults = new Counter({
  name: 'regente_lane_faults_total',
  help: 'Turns of lanes that a mistake in this program ended; the lane is parked and tried again.',
  registers,
});

export const notices = new Counter({
  name: 'regente_notices_total',
  help: 'Results of account mails (invitations and password resets).',
  labelNames: ['state'] as const,
  registers,
});

export const loopFailures = new Counter({
  name: 'regente_loop_failures_total',
  help: 'Failed rounds of the work beside the workflows: relay, reconcile, events, upkeep.',
  labelNames: ['loop'] as const,
  registers,
});

const databaseUp = new Gauge({
  name: 'regente_database_up',
  help: '1 when the figures of the installation were read from PostgreSQL at most half a minute ago; 0 when it refuses or is silent, and they are left out.',
  registers: ofInstallation,
});

export const executions = new Gauge({
  name: 'regente_executions',
  help: 'Open executions by state, and why they wait or have stopped.',
  labelNames: ['state', 'reason'] as const,
  registers: ofInstallation,
});

export const executionPeople = new Gauge({
  name: 'regente_execution_people',
  help: 'People of open executions who have no final state: waiting, queued, sending.',
  labelNames: ['state'] as const,
  registers: ofInstallation,
});

export const outboxDue = new Gauge({
  name: 'regente_outbox_due',
  help: 'Changes that the engine should have been told by now, counted up to 10000.',
  registers: ofInstallation,
});

export const outboxOverdueSeconds = new Gauge({
  name: 'regente_outbox_overdue_seconds',
  help: 'For how long the first of them has been due.',
  registers: ofInstallation,
});

export const inboxPending = new Gauge({
  name: 'regente_inbox_pending',
  help: 'Delivery events that are not applied, those that wait for their message included, counted up to 100000.',
  registers: ofInstallation,
});

export const inboxOverdueSeconds = new Gauge({
  name: 'regente_inbox_overdue_seconds',
  help: 'For how long the first due one of them has been due.',
  registers: ofInstallation,
});

export const budgets = new Gauge({
  name: 'regente_budgets',
  help: "This month's budgets by how much of them is used or reserved.",
  labelNames: ['level'] as const,
  registers: ofInstallation,
});

export const ledgerMonthsAhead = new Gauge({
  name: 'regente_ledger_months_ahead',
  help: 'Months after this one for which the ledger has its partition.',
  registers: ofInstallation,
});

/** For entry files: the process's own figures too (memory, CPU, event loop, garbage collection). */
export function collectProcessMetrics(): void {
  if (registry.getSingleMetric('process_cpu_seconds_total') === undefined)
    collectDefaultMetrics({ register: registry });
}

export const METRICS_CONTENT_TYPE = registry.contentType;

/** What the process has counted, in Prometheus's text format. */
export const metricsText = (): Promise<string> => registry.metrics();

/** What is known of the installation; `regente_database_up` alone while that is nothing. */
export async function installationText(isKnown: boolean): Promise<string> {
  databaseUp.set(isKnown ? 1 : 0);
  if (isKnown) return installationRegistry.metrics();
  return `${await installationRegistry.getSingleMetricAsString('regente_database_up')}\n`;
}
