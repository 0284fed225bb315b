import type { Logger } from '../../telemetry';
import { createCampaignActivities } from '../../activities/campaigns';
import { runLaneTurn, type LaneTurn } from '../../activities/dispatch/lane-turn';
import type { DispatchDeps, DispatchSettings } from '../../activities/dispatch/turn';
import { createFairShare } from '../../activities/fair-share';
import { createProviderAccounts } from '../../activities/provider-accounts';
import { startSandbox, type Sandbox } from '../../dev/sandbox/index';
import type { ExecutionRef } from '../../prisma/dispatch/batches';
import { createLogger } from '../../telemetry';
import type { Encryption } from '../../prisma/encryption';
import { query } from './database';
import type { Scene } from './executions';
import { createField, type Field } from './races';
import { until } from './until';

/** Database and stand-in vendor, and a process's activities, called by hand: no engine decides when. */
export interface Workshop extends Field {
  sandbox: Sandbox;
  activities: ReturnType<typeof createCampaignActivities>;
  /** One turn of a lane; `over` ends it early. */
  turn(ref: ExecutionRef, lane?: number, over?: () => boolean): Promise<LaneTurn>;
  /** Turns of a lane until it answers something else than "more". */
  turns(ref: ExecutionRef, lane?: number): Promise<LaneTurn>;
  /** Turns of the only lane until it is done, waits included. */
  workOff(ref: ExecutionRef): Promise<void>;
  /** What another process of the same installation would work with. */
  another(settings?: Partial<DispatchSettings>): DispatchDeps;
}

export const QUICK: DispatchSettings = {
  leaseMs: 1_000,
  microBatch: 50,
  providerTimeoutMs: 500,
  turnMs: 5_000,
};

export async function openWorkshop(settings: Partial<DispatchSettings> = {}): Promise<Workshop> {
  const [field, sandbox] = await Promise.all([createField(), startSandbox()]);
  const { db, encryption } = field;
  const logger: Logger = createLogger(process.env['TEST_LOG_LEVEL'] ?? 'silent', 'test');
  const opened: { close(): Promise<void> }[] = [];
  const another = (over: Partial<DispatchSettings> = {}): DispatchDeps => {
    const accounts = createProviderAccounts({ db, encryption });
    opened.push(accounts);
    return {
      db,
      accounts,
      share: createFairShare(1_000),
      settings: { ...QUICK, ...settings, ...over },
      logger,
    };
  };
  const deps = another();
  const turn: Workshop['turn'] = ({ companyId, executionId }, lane = 0, over = () => false) =>
    runLaneTurn(deps, { companyId, executionId, lane, fromSeq: 0 }, over);
  const turns: Workshop['turns'] = async (ref, lane) => {
    for (;;) {
      const end = await turn(ref, lane);
      if (end.kind !== 'more') return end;
    }
  };
  return {
    ...field,
    sandbox,
    activities: createCampaignActivities(deps),
    turn,
    turns,
    async workOff(ref) {
      const isDone = async (): Promise<boolean> => {
        const { kind } = await turns(ref);
        if (kind === 'stopped') throw new Error('the lane was stopped');
        return kind === 'done';
      };
      await until('the lane is done', isDone, 15_000);
    },
    another,
    async drop() {
      await Promise.all(opened.map((accounts) => accounts.close()));
      await sandbox.stop();
      await field.drop();
    },
  };
}

/** A person changes the config of the account: a new version, which workers open at their next turn. */
export async function changeAccount(
  {
    adminUrl,
    encryption,
    sandbox,
  }: { adminUrl: string; encryption: Encryption; sandbox: { url: string } },
  { companyId, credentialId }: Scene,
  config: Record<string, unknown>,
): Promise<void> {
  const account = {
    url: sandbox.url,
    token: 'sandbox-token',
    webhookSecret: 'whsec-test',
    ...config,
  };
  const sealed = encryption.encrypt(JSON.stringify(account), companyId, credentialId);
  await query(
    adminUrl,
    'UPDATE credentials SET encrypted_config = $2, version = version + 1 WHERE id = $1',
    [credentialId, sealed],
  );
}

/** What the campaign says about itself. */
export async function shown(
  { adminUrl }: { adminUrl: string },
  { executionId }: ExecutionRef,
): Promise<{ state: string; reason: string | null; waiting: string | null }> {
  const rows = await query<{ state: string; reason: string | null; waiting: string | null }>(
    adminUrl,
    'SELECT state, state_reason AS reason, waiting_reason AS waiting FROM campaign_executions WHERE id = $1',
    [executionId],
  );
  return rows[0]!;
}

/** Quiet from an hour ago until in an hour, by the clock of that zone. */
export function closedForAnHour(timeZone = 'America/Sao_Paulo'): { start: string; end: string } {
  const clock = (ms: number): string =>
    new Date(Date.now() + ms).toLocaleTimeString('pt-BR', {
      timeZone,
      hour: '2-digit',
      minute: '2-digit',
    });
  return { start: clock(-3_600_000), end: clock(3_600_000) };
}
