import { existsSync, readFileSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { RegenteError } from '../domain/errors';
import { checkoutFolder } from './stack/folders';
import { isRunning, thisProcess, type ProcessIdentity } from './stack/processes';

/** What another program of this checkout needs of the stack that `npm run dev` runs there. */
export interface RunningDev {
  databaseUrl: string;
  /** The same database as the tables' owner. */
  ownerUrl: string;
  publicUrl: string;
}

const fileIn = (dir: string): string => join(dir, 'running.json');

/** Lets other programs find this process's stack for as long as it runs; answers how to take that back. */
export async function announceDev(dir: string, running: RunningDev): Promise<() => Promise<void>> {
  const path = fileIn(dir);
  const content = JSON.stringify({ ...running, process: thisProcess() });
  await writeFile(path, content, { mode: 0o600 });
  return () => rm(path, { force: true });
}

/** The stack that runs in this checkout right now; null when none does. */
export async function findRunningDev(checkout: string): Promise<RunningDev | null> {
  const dir = await checkoutFolder(checkout).catch((error: unknown) => {
    // A machine on which no stack can run has none.
    if (error instanceof RegenteError) return null;
    throw error;
  });
  return dir === null ? null : readRunning(dir);
}

/** As `findRunningDev`, in the folder of a stack. A process that was killed has left its file and no stack. */
export function readRunning(dir: string): RunningDev | null {
  const path = fileIn(dir);
  if (!existsSync(path)) return null;
  const { process, ...running } = JSON.parse(readFileSync(path, 'utf8')) as RunningDev & {
    process: ProcessIdentity;
  };
  return isRunning(process) ? running : null;
}
