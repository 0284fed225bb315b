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
