import { msOptionalToNumber } from '@temporalio/common/lib/time';
import { DELIVERY } from '../../workflows/activity-profiles';
import { openOffice, type Office } from './campaign';
import { openInstallation, type Installation } from './installation';
import type { RegenteProcess } from './processes';

/** An installation with an API and two workers, which scenarios break and the arena mends. */
export interface Arena {
  place: Installation;
  office: Office;
  /** The running ones, as far as they run. */
  readonly api: RegenteProcess;
  readonly workers: readonly RegenteProcess[];
  /** Starts another API in the place of this one, and answers once it can work. */
  replaceApi(): Promise<void>;
  /** Starts another worker in the place of this one, and answers once it can work. */
  replaceWorker(worker: RegenteProcess): Promise<RegenteProcess>;
  /** Everything runs, and the vendor has forgotten everything. */
  mend(): Promise<void>;
  stop(): Promise<void>;
}

/** Shorter than by default, so that what a dead worker has left is taken up within seconds. */
export const LEASE_MS = 2_000;
export const PROVIDER_TIMEOUT_MS = 2_000;
/** After a mark, nobody can be calling any more. */
export const SILENCE_MS = LEASE_MS + PROVIDER_TIMEOUT_MS + 1_000;
/** The engine misses a worker that is silent for so long. */
export const MISSED_AFTER_MS = msOptionalToNumber(DELIVERY.heartbeatTimeout) ?? 0;

const WORKERS = 2;

/** Takes about ten seconds. */
export async function openArena(recipients: number, say: (line: string) => void): Promise<Arena> {
  const place = await openInstallation({
    sandbox: { numberRules: false },
    settings: settingsFor(recipients),
    onProgress: say,
  });
  try {
    const [first, ...workers] = await Promise.all([
      place.startApi(),
      ...Array.from({ length: WORKERS }, () => place.startWorker()),
    ]);
    let api = first;
    await Promise.all([api, ...workers].map((each) => each.untilReady()));

    const replaceApi = async (): Promise<void> => {
      await api.kill();
      api = await place.startApi();
      await api.untilReady();
    };
    const replaceWorker = async (worker: RegenteProcess): Promise<RegenteProcess> => {
      await worker.kill();
      const next = await place.startWorker();
      workers.splice(workers.indexOf(worker), 1, next);
      await next.untilReady();
      return next;
    };
    const office = await openOffice(place);
    return {
      place,
      office,
      workers,
      get api() {
        return api;
      },
      replaceApi,
      replaceWorker,
      async mend() {
        await place.stack.revive();
        if (api.hasExited()) await replaceApi();
        for (const worker of workers) {
          if (worker.hasExited()) await replaceWorker(worker);
          else worker.thaw();
        }
        await Promise.all([api, ...workers].map((each) => each.untilReady()));
        await place.sandbox.reset();
      },
      stop: () => place.stop(),
    };
  } catch (error) {
    await place.stop();
    throw error;
  }
}

/** Batches small enough that every lane of both workers holds some at any moment. */
function settingsFor(recipients: number): Record<string, string> {
  const within = (least: number, most: number, value: number): string =>
    String(Math.min(most, Math.max(least, Math.round(value))));
  return {
    DISPATCH_LANES: '4',
    DISPATCH_BATCH_SIZE: within(20, 500, recipients / 40),
    DISPATCH_MICRO_BATCH: within(10, 100, recipients / 100),
    DISPATCH_LEASE_MS: String(LEASE_MS),
    PROVIDER_TIMEOUT_MS: String(PROVIDER_TIMEOUT_MS),
    LOG_LEVEL: 'warn',
  };
}
