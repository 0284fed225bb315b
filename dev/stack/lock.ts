import { link, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { isRunning, thisProcess, type ProcessIdentity } from './processes';

/** A takeover lasts microseconds; one older than this belongs to a process that died in it. */
const TAKEOVER_STALE_MS = 5_000;

export interface Lock {
  release(): Promise<void>;
}

/** The outcome of one attempt: the lock, or who holds it. */
export type LockAttempt = { lock: Lock } | { heldBy: ProcessIdentity };

/** Takes the lock file, also from a holder that is no longer running. The folder must exist. */
export async function tryLock(file: string): Promise<LockAttempt> {
  const own = thisProcess();
  const draft = `${file}.${own.pid}.${Math.random().toString(36).slice(2)}`;
  await writeFile(draft, JSON.stringify(own));
  try {
    for (;;) {
      // A link appears with its whole content or not at all, so no reader sees a half-written lock.
      if (await linked(draft, file)) return { lock: { release: () => rm(file, { force: true }) } };
      const holder = await readHolder(file);
      if (holder !== null && isRunning(holder)) return { heldBy: holder };
      await removeStale(file, draft);
    }
  } finally {
    await rm(draft, { force: true });
  }
}

/** Waits for the lock file; `onWait` hears once who holds it. */
export async function waitForLock(
  file: string,
  onWait: (holder: ProcessIdentity) => void,
): Promise<Lock> {
  let told = false;
  for (;;) {
    const attempt = await tryLock(file);
    if ('lock' in attempt) return attempt.lock;
    if (!told) onWait(attempt.heldBy);
    told = true;
    await delay(300);
  }
}

/** Only one process at a time may remove a stale lock; without this a slow one could remove its successor. */
async function removeStale(file: string, draft: string): Promise<void> {
  const takeover = `${file}.takeover`;
  if (!(await linked(draft, takeover))) {
    const age = await stat(takeover).then(
      (found) => Date.now() - found.mtimeMs,
      () => 0,
    );
    if (age > TAKEOVER_STALE_MS) await rm(takeover, { force: true });
    await delay(10);
    return;
  }
  try {
    const holder = await readHolder(file);
    if (holder === null || !isRunning(holder)) await rename(file, `${draft}.old`).catch(() => {});
  } finally {
    await rm(`${draft}.old`, { force: true });
    await rm(takeover, { force: true });
  }
}

async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

async function readHolder(file: string): Promise<ProcessIdentity | null> {
  try {
    const value: unknown = JSON.parse(await readFile(file, 'utf8'));
    if (typeof value !== 'object' || value === null) return null;
    const { pid, stamp } = value as Partial<ProcessIdentity>;
    return typeof pid === 'number' && typeof stamp === 'string' ? { pid, stamp } : null;
  } catch {
    return null;
  }
}
