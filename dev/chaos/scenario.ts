import { setTimeout as delay } from 'node:timers/promises';
import { isTerminal, type CampaignState } from '../../domain/campaigns';
import type { CampaignView } from '../demo/campaign';
import type { AccountOptions } from '../demo/company';
import type { Arena } from './arena';
import { withAccount, type Launched, type Office } from './campaign';
import type { Random } from './random';
import type { Score } from './report';
import { until } from './until';
import { VENDOR_PROMISES, type VendorPromise } from './vendor-promises';

/** Something that goes wrong, at random moments, while campaigns are sent. */
export interface Scenario {
  name: string;
  /** What it does, in one sentence. */
  about: string;
  /** Needs an installation that nothing else has used. */
  isolated?: true;
  run(run: Run): Promise<void>;
}

/** What a scenario has at hand. */
export interface Run {
  arena: Arena;
  random: Random;
  recipients: number;
  outageMs: number;
  score: Score;
  say(line: string): void;
  /** The company's people with an account that nothing else has used. */
  newOffice(options?: Partial<AccountOptions>): Promise<Office>;
}

/** Longer than everything that may be waited for one after the other. */
export const STEP_WITHIN_MS = 180_000;

let accounts = 1;

export function createRun(given: Omit<Run, 'newOffice'>): Run {
  return {
    ...given,
    newOffice: (options = {}) => {
      accounts += 1;
      return withAccount(given.arena.place, given.arena.office, { ...options, number: accounts });
    },
  };
}

/** People and control contacts. */
export const messagesOf = (...campaigns: readonly Launched[]): number =>
  campaigns.reduce((sum, { recipients }) => sum + recipients + 1, 0);

/** Of each of two workers, so that so many people take about so long, if the machine keeps up. */
function connectionsFor(recipients: number, seconds: number, latencyMs: number): number {
  const atOnce = ((recipients / seconds) * latencyMs) / 1_000;
  return Math.min(64, Math.max(1, Math.ceil(atOnce / 2)));
}

/**
 * An account at a vendor that promises this, and takes so long for everybody.
 * By default the vendor can only be asked: it would take a message twice, and nothing may stay unknown.
 */
export async function openSlowOffice(
  { recipients, arena, newOffice }: Run,
  seconds: number,
  { promise = 'lookup', latencyMs = 100, ...options }: SlowOptions = {},
): Promise<Office> {
  const { config, vendor } = VENDOR_PROMISES[promise];
  const connections = connectionsFor(recipients, seconds, latencyMs);
  await arena.place.sandbox.configure({ ...vendor, latency: { kind: 'fixed', ms: latencyMs } });
  return newOffice({ ...options, config: { connections, ...config, ...options.config } });
}

interface SlowOptions extends Partial<AccountOptions> {
  promise?: VendorPromise;
  /** What the vendor takes for an answer. */
  latencyMs?: number;
}

/** Waits until this share of the messages has been taken, and another one from now on, and a random moment more. */
export async function untilShare(
  { arena, random }: Run,
  { share, total }: { share: number; total: number },
): Promise<void> {
  const { sandbox } = arena.place;
  const before = (await sandbox.totals()).accepted;
  // The strike before may have come late, after as many; what it has stopped goes on first.
  const enough = Math.max(before + 1, Math.floor(total * share));
  await until(
    `the vendor has taken ${enough} of ${total} messages`,
    async () => {
      const { accepted, unique } = await sandbox.totals();
      return accepted >= enough || unique >= total;
    },
    STEP_WITHIN_MS,
  );
  await delay(random.between(0, 100));
}

/** Strikes at this share of the messages, and counts the strike if the sending was not over by then. */
export async function strikeAt(
  run: Run,
  { share, total, what }: { share: number; total: number; what: string },
  strike: () => Promise<unknown>,
): Promise<void> {
  await untilShare(run, { share, total });
  await strike();
  const { unique } = await run.arena.place.sandbox.totals();
  const isHit = unique < total;
  if (isHit) run.score.hits += 1;
  run.say(`  ${what} at ${unique} of ${total}${isHit ? '' : ', when all was over'}`);
}

/** Notes how long it takes from now until the vendor takes another message, or until it has all of them. */
export async function watchRecovery(
  { arena, score }: Run,
  total: number,
  office: Office,
  campaigns: readonly Launched[],
): Promise<void> {
  const { sandbox } = arena.place;
  const from = performance.now();
  const before = (await sandbox.totals()).accepted;
  const goesOn = async (): Promise<boolean> => {
    const { accepted, unique } = await sandbox.totals();
    return accepted > before || unique >= total;
  };
  await until(
    'the vendor takes another message',
    async () => (await goesOn()) || (await haveEnded(office, campaigns)),
    STEP_WITHIN_MS,
  );
  score.recovered(performance.now() - from);
}

/** What the campaign shows; null while the API does not answer. */
export const look = (office: Office, { id }: Launched): Promise<CampaignView | null> =>
  office.operator.get<CampaignView>(`/v1/campaigns/${id}`).catch(() => null);

async function haveEnded(office: Office, campaigns: readonly Launched[]): Promise<boolean> {
  const views = await Promise.all(campaigns.map((each) => look(office, each)));
  return views.every((view) => view !== null && isTerminal(view.state));
}

/** Waits for one of these states. @throws after too long, naming the last one. */
export async function untilState(
  office: Office,
  campaign: Launched,
  ...states: readonly CampaignState[]
): Promise<CampaignState> {
  let state: CampaignState | undefined;
  await until(
    `the campaign is ${states.join(' or ')}`,
    async () => {
      state = (await look(office, campaign))?.state ?? state;
      return state !== undefined && states.includes(state);
    },
    STEP_WITHIN_MS,
  ).catch((error: unknown) => {
    throw new Error(`${String(error)} It is ${state ?? 'not known'}.`, { cause: error });
  });
  return state ?? 'FINISHED';
}
