import {
  isTerminal,
  WAIT_REASONS,
  type CampaignState,
  type ExecutionState,
  type WaitReason,
} from './campaigns';
import { countPeople, countStates, type PeopleCounts, type StateCounts } from './communications';
import { sumAmounts } from './money';

/** One execution as its batches count it; decimal strings for money. */
export interface ExecutionTally {
  isRetry: boolean;
  recipients: number;
  fish: number;
  people: StateCounts;
  fishPeople: StateCounts;
  reserved: string;
  used: string;
}

export interface Tally {
  counts: PeopleCounts;
  /** Beside the count of people. */
  fish: PeopleCounts;
  money: { reserved: string; used: string };
}

/**
 * The executions of a campaign as one: a retry does not add people, it takes failed ones back. So everybody is counted
 * once, with what became of them last. `lateTaken` are rows that a retry has taken and that were accepted after all.
 */
export function tallyExecutions(
  executions: readonly ExecutionTally[],
  lateTaken: StateCounts = addCounts([]),
): Tally {
  const first = executions.filter((each) => !each.isRetry);
  const retried = sum(executions.filter((each) => each.isRetry).map((each) => each.recipients));
  const people = addCounts(executions.map((each) => each.people));
  const kept = countStates((state) => people[state] - lateTaken[state]);
  const counts = countPeople(sum(first.map((each) => each.recipients)), {
    ...kept,
    failed: people.failed - (retried - sum(Object.values(lateTaken))),
  });
  const fish = countPeople(
    sum(executions.map((each) => each.fish)),
    addCounts(executions.map((each) => each.fishPeople)),
  );
  const money = {
    reserved: sumAmounts(executions.map((each) => each.reserved)),
    used: sumAmounts(executions.map((each) => each.used)),
  };
  return { counts, fish, money };
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, n) => total + n, 0);

export function addCounts(counts: readonly StateCounts[]): StateCounts {
  return countStates((state) => sum(counts.map((each) => each[state])));
}

/** How many people have their final state. */
export const settledOf = (counts: PeopleCounts): number =>
  counts.recipients - counts.waiting - counts.queued - counts.sending;

/** The window in which closed batches are counted for the present rate. */
export const RECENT_MS = 30_000;

export interface Pace {
  state: string;
  startedAt: Date | null;
  people: StateCounts;
  recipients: number;
  /** People in batches that were closed within `RECENT_MS`. */
  recent: number;
}

/**
 * People with a final state per second: of the last half minute where whole batches were closed in it, else since the
 * start. Null while nothing is being sent.
 */
export function ratePerSecond(pace: Pace, nowMs: number): number | null {
  const { state, startedAt, people, recipients, recent } = pace;
  if (state !== 'PROCESSING' || startedAt === null) return null;
  const elapsedMs = Math.max(1_000, nowMs - startedAt.getTime());
  const [done, withinMs] =
    recent > 0
      ? [recent, Math.min(elapsedMs, RECENT_MS)]
      : [settledOf(countPeople(recipients, people)), elapsedMs];
  return Math.round((done / withinMs) * 10_000) / 10;
}

/** When the last person is reached at this rate, sending from `fromMs` on; null when it is not known. */
export function estimatedEnd(
  counts: PeopleCounts,
  ratePerSecond: number | null,
  fromMs: number,
): Date | null {
  const left = counts.recipients - settledOf(counts);
  if (ratePerSecond === null || ratePerSecond <= 0 || left === 0) return null;
  return new Date(fromMs + Math.ceil((left / ratePerSecond) * 1_000));
}

export interface WaitingFacts {
  state: CampaignState;
  execution: {
    state: ExecutionState;
    scheduledAt: Date | null;
    stateReason: string | null;
    stateActor: string | null;
    waitingReason: string | null;
    waitingUntil: Date | null;
  } | null;
}

/** Why nothing is being sent. */
export interface Waiting {
  reason: WaitReason;
  until: Date | null;
  /** What whoever paused it said, or what made it pause by itself. */
  note: string | null;
  actorId: string | null;
}

/** Why a campaign sends nothing at this moment; null while it sends, is a draft, or has ended. */
export function whyWaiting(facts: WaitingFacts, nowMs: number): Waiting | null {
  const { state, execution } = facts;
  const plain = { until: null, note: null, actorId: null };
  if (isTerminal(state)) return null;
  if (state === 'PENDING_APPROVAL') return { ...plain, reason: 'approval' };
  if (execution === null) return null;
  switch (execution.state) {
    case 'PENDING': {
      const { scheduledAt: until } = execution;
      if (until === null || until.getTime() <= nowMs) return null;
      return { ...plain, reason: 'schedule', until };
    }
    case 'PAUSING':
    case 'PAUSED': {
      const { stateReason: note, stateActor: actorId } = execution;
      // What a person writes is a note, whatever it says.
      const reason = actorId === null ? (knownReason(note) ?? 'paused') : 'paused';
      return { reason, until: null, note, actorId };
    }
    case 'PROCESSING': {
      const reason = knownReason(execution.waitingReason);
      return reason === null ? null : { ...plain, reason, until: execution.waitingUntil };
    }
    default:
      return null;
  }
}

const knownReason = (text: string | null): WaitReason | null =>
  WAIT_REASONS.find((reason) => reason === text) ?? null;
