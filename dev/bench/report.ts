import type { LedgerFigures, SizingFigures } from './contender';
import type { EngineKind } from './stage';

/** One run of one contender. */
export interface Measured {
  name: string;
  perSecond: number;
  lost: number;
  duplicated: number;
  ledger?: LedgerFigures;
  sizing?: SizingFigures;
}

export interface DispatchReport extends SizingFigures {
  recipients: number;
  engine: EngineKind;
  rawPerSecond: number;
  bullmqPerSecond: number | null;
  regentePerSecond: number;
  vsBullmq: number | null;
  vsRaw: number;
  approveToSettledMs: number;
  claimToSettleP50Ms: number;
  claimToSettleP99Ms: number;
  workerRssMb: number | null;
  /** Regente's, over all rounds. */
  lost: number;
  duplicated: number;
}

export interface DispatchRuns {
  recipients: number;
  engine: EngineKind;
  raw: readonly Measured[];
  /** Empty when it was left out. */
  bullmq: readonly Measured[];
  regente: readonly Measured[];
}

/** Medians over the rounds; peaks (memory, events, the longest wait for the progress) and what was lost or sent twice are the worst and the sum. */
export function summarize({
  recipients,
  engine,
  raw,
  bullmq,
  regente,
}: DispatchRuns): DispatchReport {
  const [rawPerSecond, regentePerSecond] = [medianSpeed(raw), medianSpeed(regente)];
  const bullmqPerSecond = bullmq.length === 0 ? null : medianSpeed(bullmq);
  const ledgers = regente.flatMap(({ ledger }) => (ledger === undefined ? [] : [ledger]));
  const rss = highest(ledgers.map(({ workerRssMb }) => workerRssMb));
  return {
    recipients,
    engine,
    rawPerSecond: Math.round(rawPerSecond),
    bullmqPerSecond: bullmqPerSecond === null ? null : Math.round(bullmqPerSecond),
    regentePerSecond: Math.round(regentePerSecond),
    vsBullmq: bullmqPerSecond === null ? null : rounded(regentePerSecond / bullmqPerSecond, 2),
    vsRaw: rounded(regentePerSecond / rawPerSecond, 3),
    approveToSettledMs: Math.round(median(ledgers.map((each) => each.approveToSettledMs))),
    claimToSettleP50Ms: rounded(median(ledgers.map((each) => each.claimToSettleP50Ms)), 1),
    claimToSettleP99Ms: rounded(median(ledgers.map((each) => each.claimToSettleP99Ms)), 1),
    workerRssMb: rss === null ? null : Math.round(rss),
    lost: sum(regente.map((each) => each.lost)),
    duplicated: sum(regente.map((each) => each.duplicated)),
    ...summarizeSizing(regente.flatMap(({ sizing }) => (sizing === undefined ? [] : [sizing]))),
  };
}

function summarizeSizing(runs: readonly SizingFigures[]): SizingFigures {
  const typical = (figure: (run: SizingFigures) => number): number =>
    rounded(median(runs.map(figure)), 1);
  const known = (figure: (run: SizingFigures) => number | null): number | null => {
    const values = runs.map(figure).filter((value) => value !== null);
    return values.length < runs.length ? null : rounded(median(values), 1);
  };
  return {
    historyEventsMax: Math.max(0, ...runs.map((run) => run.historyEventsMax)),
    historyMb: rounded(median(runs.map((run) => run.historyMb)), 3),
    databaseMbPerMillion: typical((run) => run.databaseMbPerMillion),
    ledgerIndexMbPerMillion: typical((run) => run.ledgerIndexMbPerMillion),
    engineMbPerMillion: known((run) => run.engineMbPerMillion),
    walMbPerMillion: typical((run) => run.walMbPerMillion),
    workerCpuSecondsPerMillion: known((run) => run.workerCpuSecondsPerMillion),
    engineCpuSecondsPerMillion: known((run) => run.engineCpuSecondsPerMillion),
    postgresCpuSecondsPerMillion: known((run) => run.postgresCpuSecondsPerMillion),
    workerConnections: Math.max(0, ...runs.map((run) => run.workerConnections)),
    engineConnections: highest(runs.map((run) => run.engineConnections)),
    engineTransactionsPerCampaign: known((run) => run.engineTransactionsPerCampaign),
    progressMsP50: typical((run) => run.progressMsP50),
    progressMsP99: typical((run) => run.progressMsP99),
    progressMsMax: rounded(Math.max(0, ...runs.map((run) => run.progressMsMax)), 1),
  };
}

/** The same for people, with every round. */
export function tableOf(runs: DispatchRuns, report: DispatchReport): string {
  const lines = [...runs.raw, ...runs.bullmq, ...runs.regente].map(
    ({ name, perSecond, lost, duplicated }) =>
      `${name.padEnd(10)}${Math.round(perSecond).toLocaleString('en').padStart(10)} messages/s${lost === 0 ? '' : `   ${lost} LOST`}${duplicated === 0 ? '' : `   ${duplicated} SENT TWICE`}`,
  );
  const { vsBullmq, vsRaw, claimToSettleP50Ms, claimToSettleP99Ms, workerRssMb } = report;
  const against = vsBullmq === null ? '' : `${vsBullmq} times BullMQ, `;
  const last = runs.regente.at(-1)?.ledger;
  return [
    ...lines,
    `Regente: ${against}${vsRaw} of the raw loop`,
    `  claim to settle: half within ${claimToSettleP50Ms} ms, 99 % within ${claimToSettleP99Ms} ms`,
    `  approval to the last message: ${seconds(last?.approveToSettledMs)} s, first mark to the last message: ${seconds(last?.sendingMs)} s`,
    `  largest worker: ${workerRssMb ?? 'unknown'} MB`,
    ...costLines(report),
  ].join('\n');
}

function costLines(report: DispatchReport): string[] {
  const { engineMbPerMillion } = report;
  const engine = engineMbPerMillion === null ? '' : `, of the engine ${engineMbPerMillion} MB`;
  const engineLine =
    report.engineConnections === null
      ? ''
      : `, the engine ${report.engineConnections}; its transactions: ${report.engineTransactionsPerCampaign}`;
  const spent = [
    ['workers', report.workerCpuSecondsPerMillion],
    ['PostgreSQL', report.postgresCpuSecondsPerMillion],
    ['the engine', report.engineCpuSecondsPerMillion],
  ].map(([who, time]) => `${who} ${time ?? 'unknown'} s`);
  return [
    `  per million messages: tables ${report.databaseMbPerMillion} MB (the ledger's indexes ${report.ledgerIndexMbPerMillion} MB)${engine}, WAL ${report.walMbPerMillion} MB`,
    `  processor time per million messages: ${spent.join(', ')}`,
    `  connections to PostgreSQL: workers ${report.workerConnections}${engineLine}`,
    `  longest history: ${report.historyEventsMax} events; all of them: ${report.historyMb} MB`,
    `  progress: half within ${report.progressMsP50} ms, 99 % within ${report.progressMsP99} ms, all within ${report.progressMsMax} ms`,
  ];
}

/** Null where one of them is not known. */
const highest = (values: readonly (number | null)[]): number | null =>
  values.includes(null) ? null : Math.max(0, ...values.filter((value) => value !== null));

const seconds = (ms = 0): string => (ms / 1_000).toFixed(2);

const medianSpeed = (runs: readonly Measured[]): number => median(runs.map((run) => run.perSecond));

const sum = (values: readonly number[]): number =>
  values.reduce((total, value) => total + value, 0);

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  const upper = sorted[Math.floor(middle)] ?? 0;
  return Number.isInteger(middle) ? (upper + (sorted[middle - 1] ?? 0)) / 2 : upper;
}

function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
