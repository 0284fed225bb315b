import { spawn } from 'node:child_process';

/** What the watchdog does when this process is gone, whatever ended it. */
interface Watchdog {
  /** Its own process; undefined when it could not be started. */
  readonly pid: number | undefined;
  guard(pid: number, stopSignal: NodeJS.Signals): void;
  release(pid: number): void;
  removeLater(folder: string): void;
  keep(folder: string): void;
}

let running: Watchdog | null = null;

/**
 * The one watchdog of this process. It holds the reading end of a pipe; the system closes the other end
 * when this process ends, even by kill -9, and then it cleans up.
 */
export function watchdog(): Watchdog {
  running ??= startWatchdog();
  return running;
}

function startWatchdog(): Watchdog {
  const child = spawn(process.execPath, [require.resolve('./watchdog-process.mjs')], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
    cwd: '/',
    env: {},
  });
  child.unref();
  const tell = (message: object): void => {
    child.stdin.write(`${JSON.stringify(message)}\n`);
  };
  const watchdog: Watchdog = {
    pid: child.pid,
    guard: (pid, stopSignal) => tell({ guard: pid, signal: stopSignal }),
    release: (pid) => tell({ release: pid }),
    removeLater: (folder) => tell({ remove: folder }),
    keep: (folder) => tell({ keep: folder }),
  };
  const forget = (): void => {
    if (running === watchdog) running = null;
  };
  child.on('error', forget);
  child.on('exit', forget);
  child.stdin.on('error', forget);
  return watchdog;
}
