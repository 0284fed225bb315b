import { createHash } from 'node:crypto';
import { existsSync, lstatSync, readdirSync } from 'node:fs';
import { chmod, mkdtemp, realpath, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { RegenteError } from '../../domain/errors';
import { cacheFolder, makeFolder, temporaryRoot } from './cache';
import { tryLock, type Lock } from './lock';
import { unmountIn } from './mounts';
import { identify } from './processes';
import { endLeftServer } from './server-process';
import { closedFolder, serviceUser } from './service-user';

const TEMPORARY = /^regente-stack-(\d+)-/;
const LOCK = 'stack.lock';

/**
 * Where a checkout keeps its data: its own `.regente`, or, where the user that runs PostgreSQL may not enter
 * the checkout, a folder named after it in the cache.
 */
export async function checkoutFolder(checkout: string): Promise<string> {
  const inside = join(await realpath(checkout), '.regente');
  if (closedFolder(inside, serviceUser()) === null) return inside;
  const hash = createHash('sha256').update(inside).digest('hex').slice(0, 8);
  return join(cacheFolder(), 'checkouts', `${basename(checkout)}-${hash}`);
}

/**
 * The lock of one checkout, for a program of which only one may run there.
 * @throws CONFLICT when another process holds it; one that is no longer running does not.
 */
export async function lockCheckout(checkout: string): Promise<Lock> {
  const folder = await checkoutFolder(checkout);
  await makeFolder(folder);
  const attempt = await tryLock(join(folder, 'checkout.lock'));
  if ('lock' in attempt) return attempt.lock;
  throw new RegenteError(
    'CONFLICT',
    `Regente is already running in ${checkout} (process ${attempt.heldBy.pid}). ` +
      'Use that one, end it, or start from another checkout.',
    { details: { pid: attempt.heldBy.pid } },
  );
}

/** @throws CONFLICT when another stack runs in this folder. */
export async function lockFolder(folder: string): Promise<Lock> {
  await makeFolder(folder);
  const attempt = await tryLock(join(folder, LOCK));
  if ('lock' in attempt) return attempt.lock;
  throw new RegenteError(
    'CONFLICT',
    `A stack is already running in ${folder} (process ${attempt.heldBy.pid}). End it first.`,
    { details: { pid: attempt.heldBy.pid } },
  );
}

/** A fresh folder that bears this process's number, by which it is removed as left over once that has ended. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(temporaryRoot(), `regente-stack-${process.pid}-`));
  if (serviceUser() !== null) await chmod(folder, 0o711);
  return folder;
}

/** Ends the servers and removes the temporary folders of stacks whose process and watchdog were both killed. */
export async function removeLeftovers(): Promise<void> {
  const root = temporaryRoot();
  for (const name of readdirSync(root)) {
    const pid = TEMPORARY.exec(name)?.[1];
    if (pid === undefined || !isOwnFolder(join(root, name))) continue;
    await removeLeftover(join(root, name), Number(pid)).catch(() => {
      // Somebody else is removing it at the same time, or it cannot be: no reason not to start.
    });
  }
}

async function removeLeftover(folder: string, pid: number): Promise<void> {
  // Without a lock its process has only just made it, or it is long gone.
  if (!existsSync(join(folder, LOCK)) && identify(pid) !== null) return;
  const attempt = await tryLock(join(folder, LOCK));
  if (!('lock' in attempt)) return;
  for (const file of readdirSync(folder).filter((entry) => entry.endsWith('.log'))) {
    await endLeftServer(join(folder, file), 'SIGQUIT');
  }
  await unmountIn(folder);
  await rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
}

/** The folder for temporary files is open to all: a folder of somebody else must not tell us whom to signal. */
function isOwnFolder(path: string): boolean {
  try {
    const found = lstatSync(path);
    return found.isDirectory() && found.uid === process.getuid?.();
  } catch {
    return false;
  }
}
