import type { EngineLook } from '../api/engine-look';
import type { Database } from '../prisma/client';
import { probe } from '../prisma/probe';
import { jsonAnswer, startProbes, type ProbeAnswer, type Probes } from '../telemetry/probes';

/** By part: `ok`, or what is wrong with it. */
export type Checks = Readonly<Record<string, string>>;

export interface WorkerHealthOptions {
  host: string;
  /** 0 takes a free one. */
  port: number;
  check: () => Promise<Checks>;
  metrics: () => Promise<ProbeAnswer>;
  /** It finishes what it has and takes nothing more. */
  isDraining: () => boolean;
}

/**
 * `/healthz` says that the process lives, `/readyz` whether it can work: 200, or 503 and which part is missing; and
 * `/metrics` what it has done.
 */
export function startWorkerHealth(options: WorkerHealthOptions): Promise<Probes> {
  const { host, port, check, metrics, isDraining } = options;
  return startProbes({
    host,
    port,
    answers: {
      '/healthz': () => Promise.resolve(jsonAnswer(200, { status: 'ok', checks: {} })),
      '/readyz': async () => {
        if (isDraining()) return jsonAnswer(503, { status: 'draining', checks: {} });
        const checks = await check();
        const ok = Object.values(checks).every((each) => each === 'ok');
        return jsonAnswer(ok ? 200 : 503, { status: ok ? 'ok' : 'failing', checks });
      },
      '/metrics': metrics,
    },
  });
}

const SILENT = 'does not answer';

/** Asks what a worker cannot do without. Never rejects. */
export async function checkParts(db: Database, engine: EngineLook): Promise<Checks> {
  const [database, answers] = await Promise.all([
    probe(db, 'SELECT 1').then(
      () => 'ok',
      () => SILENT,
    ),
    engine.answers(),
  ]);
  return { database, engine: answers ? 'ok' : SILENT };
}
