import { setTimeout as delay } from 'node:timers/promises';
import { dirname } from 'node:path';
import { RegenteError } from '../../domain/errors';
import { NODE_FLAGS } from '../bench/node-flags';
import { logTail, startServer, type ServerProcess } from '../stack/server-process';

/** One process of a built Regente. */
export interface RegenteProcess extends ServerProcess {
  /** As PostgreSQL shows it in `pg_stat_activity.application_name`. */
  readonly name: string;
  /** Where it answers; a worker only `/healthz` and `/readyz`. */
  readonly url: string;
  readonly logFile: string;
  /** SIGSTOP: it stands still in the middle of whatever it does, and keeps its connections. */
  freeze(): void;
  thaw(): void;
  /** What `/readyz` says; null when it does not answer at all. */
  readiness(): Promise<Readiness | null>;
  /** Resolves when it can work and misses nothing. @throws UNAVAILABLE with the end of its log when it has ended or takes too long. */
  untilReady(withinMs?: number): Promise<void>;
}

export interface Readiness {
  status: number;
  /** By part: `ok`, or what is wrong with it. */
  checks: Record<string, string>;
}

export interface ProcessOptions {
  name: string;
  part: 'api' | 'worker';
  /** `start.js` of a build. */
  startFile: string;
  env: Readonly<Record<string, string>>;
  port: number;
  /** Its output is appended to it; no two processes share one. */
  logFile: string;
}

/** An API without its engine is ready, too. */
const missesNothing = (seen: Readiness | null): boolean =>
  seen?.status === 200 && Object.values(seen.checks).every((each) => each === 'ok');

const READY_WITHIN_MS = 60_000;
const LOOK_MS = 50;
const ANSWER_WITHIN_MS = 5_000;

/** Starts `start.js api` or `start.js worker` as production does; it ends with this process, whatever ends this one. */
export async function startRegente(options: ProcessOptions): Promise<RegenteProcess> {
  const { name, part, startFile, env, port, logFile } = options;
  const server = await startServer({
    command: process.execPath,
    args: [...NODE_FLAGS, startFile, part],
    cwd: dirname(startFile),
    env: {
      ...env,
      HOST: '127.0.0.1',
      PORT: String(port),
      WORKER_HEALTH_PORT: String(port),
      METRICS_PORT: '0',
    },
    user: null,
    logFile,
    stopSignal: 'SIGTERM',
  });
  const url = `http://127.0.0.1:${port}`;
  const readiness = async (): Promise<Readiness | null> => {
    try {
      const answer = await fetch(`${url}/readyz`, {
        signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
      });
      const { checks } = (await answer.json()) as { checks: Record<string, string> };
      return { status: answer.status, checks };
    } catch {
      return null;
    }
  };
  return {
    ...server,
    name,
    url,
    logFile,
    freeze: () => void process.kill(server.pid, 'SIGSTOP'),
    thaw: () => void process.kill(server.pid, 'SIGCONT'),
    readiness,
    async untilReady(withinMs = READY_WITHIN_MS) {
      const deadline = performance.now() + withinMs;
      let last: Readiness | null = null;
      while (!missesNothing((last = await readiness()))) {
        if (server.hasExited() || performance.now() > deadline) {
          const state = server.hasExited() ? await server.exited : JSON.stringify(last);
          throw new RegenteError(
            'UNAVAILABLE',
            `The ${part} does not get ready (${state}). Its log ends with:\n${logTail(logFile)}`,
          );
        }
        await delay(LOOK_MS);
      }
    },
  };
}
