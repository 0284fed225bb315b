/** One way of sending the messages, started for one round and stopped after it. */
export interface Contender {
  readonly name: string;
  start(): Promise<RunningContender>;
}

export interface RunningContender {
  /** Sends this many messages and waits until the last one is written down. */
  run(recipients: number): Promise<Run>;
  stop(): Promise<void>;
}

export interface Run {
  /** From the moment in which the first message may be sent to the end. */
  elapsedMs: number;
  /** Messages of which the contender's own books do not say that they were accepted. */
  lost: number;
  /** Messages that the contender's own books have twice. */
  duplicated: number;
  /** What only this contender can say. */
  ledger?: LedgerFigures;
  sizing?: SizingFigures;
}

export interface LedgerFigures {
  claimToSettleP50Ms: number;
  claimToSettleP99Ms: number;
  /** From the commit of the approval to the last settled message. */
  approveToSettledMs: number;
  /** From the first mark to the last settled message. */
  sendingMs: number;
  /** Of the largest worker process, at its peak; null where the system does not tell. */
  workerRssMb: number | null;
}

/** What a run costs an installation. Per million recipients of this run, the first and the last of them alike. */
export interface SizingFigures {
  /** Events of the longest history among all runs of the campaign's workflows. */
  historyEventsMax: number;
  /** All of them together. */
  historyMb: number;
  /** By how much the application's tables have grown with their indexes, audience included. */
  databaseMbPerMillion: number;
  /** Of it, the indexes of the ledger's partitions. */
  ledgerIndexMbPerMillion: number;
  /** By how much the engine's databases have grown; null with the dev server, which has none. */
  engineMbPerMillion: number | null;
  /** What PostgreSQL wrote to its log while the campaign was sent, the engine's part included. */
  walMbPerMillion: number;
  /** Processor time while the campaign was sent; null where the system does not tell. */
  workerCpuSecondsPerMillion: number | null;
  engineCpuSecondsPerMillion: number | null;
  postgresCpuSecondsPerMillion: number | null;
  /** Connections to PostgreSQL that were open at once meanwhile: of all workers, and of the engine (null as above). */
  workerConnections: number;
  engineConnections: number | null;
  /** What PostgreSQL did for the engine meanwhile, readings included; null as above. */
  engineTransactionsPerCampaign: number | null;
  /** How long a reader waited for the campaign's progress meanwhile. */
  progressMsP50: number;
  progressMsP99: number;
  progressMsMax: number;
}

/** Positions `from` (inclusive) to `to` (exclusive) of the process with this index. */
export function shareOf(
  recipients: number,
  index: number,
  processes: number,
): { from: number; to: number } {
  return {
    from: Math.floor((recipients * index) / processes),
    to: Math.floor((recipients * (index + 1)) / processes),
  };
}
