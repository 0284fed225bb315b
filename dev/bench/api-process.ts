import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from '../stack/ports';
import { NODE_FLAGS } from './node-flags';
import { logTail, startServer } from '../stack/server-process';

/** The production build's API in a process of its own. */
export interface ApiProcess {
  pid: number;
  url: string;
  /** Follows what the process holds in memory, from now on. */
  watchMemory(): MemoryWatch;
  stop(): Promise<void>;
}

export interface MemoryWatch {
  /** Ends the watch; answers the peak in MiB, null where the system does not say. */
  end(): number | null;
}

const READY_WITHIN_MS = 30_000;
const LOOK_MS = 25;

/** Needs no engine: nothing that is measured asks for it. @param nodeFlags beside those of `npm start` */
export async function startApiProcess(
  startFile: string,
  env: Record<string, string>,
  nodeFlags: readonly string[] = [],
): Promise<ApiProcess> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const logFile = join(dirname(startFile), 'api.log');
  const server = await startServer({
    command: process.execPath,
    args: [...NODE_FLAGS, ...nodeFlags, startFile, 'api'],
    cwd: dirname(startFile),
    env: {
      TEMPORAL_ADDRESS: '127.0.0.1:1',
      HOST: '127.0.0.1',
      PORT: String(port),
      METRICS_PORT: '0',
      LOG_LEVEL: 'warn',
      ...env,
    },
    user: null,
    logFile,
    stopSignal: 'SIGTERM',
  });
  const deadline = performance.now() + READY_WITHIN_MS;
  while (!(await answers(url))) {
    if (server.hasExited() || performance.now() > deadline) {
      await server.stop();
      throw new Error(`The API does not answer. Its log ends with:\n${logTail(logFile)}`);
    }
    await delay(100);
  }
  const { pid } = server;
  return { pid, url, watchMemory: () => watchMemory(pid), stop: () => server.stop() };
}

async function answers(url: string): Promise<boolean> {
  try {
    return (await fetch(`${url}/healthz`)).ok;
  } catch {
    return false;
  }
}

function watchMemory(pid: number): MemoryWatch {
  let peak = rssMb(pid);
  const look = (): void => {
    const now = rssMb(pid);
    if (now !== null) peak = Math.max(peak ?? 0, now);
  };
  const timer = setInterval(look, LOOK_MS);
  return {
    end() {
      clearInterval(timer);
      look();
      return peak;
    },
  };
}

function rssMb(pid: number): number | null {
  try {
    const kilobytes = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return kilobytes === undefined ? null : Number(kilobytes) / 1_024;
  } catch {
    return null;
  }
}
