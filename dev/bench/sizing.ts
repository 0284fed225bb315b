import type { Client } from 'pg';
import type { Database } from '../../prisma/client';
import type { SizingFigures } from './contender';
import { watchConnections } from './connections';
import { readHistories } from './engine-histories';
import { processorSeconds, processorSecondsWithChildren } from './processor-time';
import { watchProgress } from './progress';
import { quantile } from './quantile';
import type { Stage } from './stage';
import { beginTransactions } from './transactions';

export interface Sizing {
  /** To be called right before the approval. */
  sending(campaign: { companyId: string; campaignId: string }): Promise<Sending>;
}

export interface Sending {
  /** To be called when the campaign is finished. */
  end(executionId: string, recipients: number): Promise<SizingFigures>;
}

const MB = 1_048_576;

/** Measures what a run costs; to be called before its audience is written. */
export async function beginSizing(
  stage: Stage,
  db: Database,
  workers: readonly { pid: number }[],
): Promise<Sizing> {
  const { admin, engineDatabases } = stage;
  const before = await readSizes(admin, engineDatabases);
  return {
    sending: async (campaign) => {
      const watch = await watchProgress(db, campaign);
      const connections = await watchConnections(stage.adminUrl, engineDatabases);
      const transactions = await beginTransactions(admin, engineDatabases);
      const [wal, spent] = [await readWal(admin), readSpent(stage, workers)];
      return {
        end: async (executionId, recipients) => {
          const now = readSpent(stage, workers);
          const perMillion = (amount: number): number => (amount / recipients) * 1_000_000;
          const since = (from: number | null, to: number | null): number | null =>
            from === null || to === null ? null : perMillion(to - from);
          const walMbPerMillion = perMillion(((await readWal(admin)) - wal) / MB);
          const took = await watch.stop();
          const peaks = await connections.stop();
          const lanes = await readLanes(admin, executionId);
          const histories = await readHistories(stage.temporalAddress, { executionId, lanes });
          const after = await readSizes(admin, engineDatabases);
          const ofEngine = <T>(figure: T): T | null =>
            engineDatabases.length === 0 ? null : figure;
          return {
            historyEventsMax: histories.eventsMax,
            historyMb: histories.bytes / MB,
            databaseMbPerMillion: perMillion((after.tables - before.tables) / MB),
            ledgerIndexMbPerMillion: perMillion((after.ledgerIndexes - before.ledgerIndexes) / MB),
            engineMbPerMillion: ofEngine(perMillion((after.engine - before.engine) / MB)),
            walMbPerMillion,
            workerCpuSecondsPerMillion: since(spent.workers, now.workers),
            engineCpuSecondsPerMillion: since(spent.engine, now.engine),
            postgresCpuSecondsPerMillion: since(spent.postgres, now.postgres),
            workerConnections: peaks.workers,
            engineConnections: ofEngine(peaks.engine),
            engineTransactionsPerCampaign: await transactions.end(),
            progressMsP50: quantile(took, 0.5),
            progressMsP99: quantile(took, 0.99),
            progressMsMax: quantile(took, 1),
          };
        },
      };
    },
  };
}

/** Bytes. */
interface Sizes {
  /** The application's tables with their indexes. */
  tables: number;
  /** Of them, the indexes of the ledger's partitions. */
  ledgerIndexes: number;
  /** The engine's databases. */
  engine: number;
}

async function readSizes(admin: Client, engineDatabases: readonly string[]): Promise<Sizes> {
  const { rows } = await admin.query<Sizes>(
    `SELECT (SELECT sum(pg_total_relation_size(oid)) FROM pg_class
         WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace)::float8 AS tables,
       (SELECT coalesce(sum(pg_indexes_size(inhrelid)), 0) FROM pg_inherits
         WHERE inhparent = 'communications'::regclass)::float8 AS "ledgerIndexes",
       (SELECT coalesce(sum(pg_database_size(oid)), 0) FROM pg_database
         WHERE datname = ANY ($1::name[]))::float8 AS engine`,
    [engineDatabases],
  );
  return rows[0] ?? { tables: 0, ledgerIndexes: 0, engine: 0 };
}

async function readWal(admin: Client): Promise<number> {
  const { rows } = await admin.query<{ bytes: number }>(
    `SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::float8 AS bytes`,
  );
  return rows[0]?.bytes ?? 0;
}

async function readLanes(admin: Client, executionId: string): Promise<number> {
  const { rows } = await admin.query<{ lanes: number }>(
    'SELECT lanes FROM campaign_executions WHERE id = $1',
    [executionId],
  );
  return rows[0]?.lanes ?? 0;
}

interface Spent {
  workers: number | null;
  engine: number | null;
  postgres: number | null;
}

/** Processor seconds so far. */
function readSpent({ servers }: Stage, workers: readonly { pid: number }[]): Spent {
  const each = workers.map(({ pid }) => processorSeconds(pid));
  return {
    workers: each.includes(null) ? null : each.reduce<number>((sum, one) => sum + (one ?? 0), 0),
    engine: processorSeconds(servers.enginePid),
    postgres: processorSecondsWithChildren(servers.postgresPid),
  };
}
