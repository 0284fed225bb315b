import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { RegenteError } from '../../domain/errors';
import { endProcess, identify, isRunning, thisProcess, type ProcessIdentity } from './processes';
import type { ServiceUser } from './service-user';
import { watchdog } from './watchdog';

/** A server that this process started; it never outlives it for long (see `watchdog`). */
export interface ServerProcess {
  readonly pid: number;
  /** Resolves with how it ended, e.g. "exit status 1" or "SIGKILL". */
  readonly exited: Promise<string>;
  hasExited(): boolean;
  /** Asks it to end, and kills it after `graceMs`; resolves when it is gone. */
  stop(graceMs?: number): Promise<void>;
  /** SIGKILL, as a crash. */
  kill(): Promise<void>;
}

interface ServerCommand {
  command: string;
  args: readonly string[];
  cwd: string;
  env: Record<string, string>;
  user: ServiceUser | null;
  /** Standard output and error are appended to it; `<logFile>.pid` names the running process. */
  logFile: string;
  stopSignal: NodeJS.Signals;
}

const STOP_GRACE_MS = 15_000;

/** Starts a server in its own process group, so that Ctrl-C reaches this process alone, which ends it in order. */
export async function startServer(options: ServerCommand): Promise<ServerProcess> {
  const log = openSync(options.logFile, 'a', 0o600);
  const child = spawn(options.command, options.args, {
    cwd: options.cwd,
    env: options.env,
    detached: true,
    stdio: ['ignore', log, log],
    ...(options.user === null ? {} : { uid: options.user.uid, gid: options.user.gid }),
  });
  closeSync(log);
  const pidFile = `${options.logFile}.pid`;
  let gone = false;
  const exited = new Promise<string>((resolve) => {
    child.once('exit', (status, name) => {
      gone = true;
      rmSync(pidFile, { force: true });
      if (child.pid !== undefined) watchdog().release(child.pid);
      resolve(name ?? `exit status ${status}`);
    });
  });
  const pid = await new Promise<number>((resolve, reject) => {
    child.once('error', (cause) => reject(cannotRun(options.command, cause)));
    child.once('spawn', () => resolve(child.pid ?? 0));
  });
  watchdog().guard(pid, options.stopSignal);
  writeFileSync(pidFile, JSON.stringify({ server: identify(pid), owner: thisProcess() }));
  child.unref();

  const end = async (name: NodeJS.Signals, graceMs: number): Promise<void> => {
    if (gone) return;
    child.ref();
    child.kill(name);
    const impatience = setTimeout(() => child.kill('SIGKILL'), graceMs);
    await exited;
    clearTimeout(impatience);
  };
  return {
    pid,
    exited,
    hasExited: () => gone,
    stop: (graceMs = STOP_GRACE_MS) => end(options.stopSignal, graceMs),
    kill: () => end('SIGKILL', STOP_GRACE_MS),
  };
}

/**
 * Ends the server that an earlier process left running with this log file, if any.
 * @throws CONFLICT when the process that started it is still there.
 */
export async function endLeftServer(logFile: string, stopSignal: NodeJS.Signals): Promise<void> {
  const pidFile = `${logFile}.pid`;
  const left = readPidFile(pidFile);
  if (left === null || !isRunning(left.server)) return;
  if (isRunning(left.owner)) {
    throw new RegenteError(
      'CONFLICT',
      `The server that writes ${logFile} is still running (process ${left.server.pid}); ` +
        `process ${left.owner.pid} started it. End that process first.`,
    );
  }
  await endProcess(left.server, stopSignal, STOP_GRACE_MS);
  rmSync(pidFile, { force: true });
}

/** The last lines of a server's log, for a message about its failure. */
export function logTail(logFile: string, lines = 12): string {
  try {
    return readFileSync(logFile, 'utf8').trimEnd().split('\n').slice(-lines).join('\n');
  } catch {
    return '';
  }
}

function readPidFile(file: string): { server: ProcessIdentity; owner: ProcessIdentity } | null {
  try {
    const value = JSON.parse(readFileSync(file, 'utf8')) as {
      server: ProcessIdentity | null;
      owner: ProcessIdentity;
    };
    return value.server === null ? null : { server: value.server, owner: value.owner };
  } catch {
    return null;
  }
}

function cannotRun(command: string, cause: Error): Error {
  return new RegenteError('CONFIGURATION', `${command} cannot be run: ${cause.message}.`, {
    cause,
  });
}
