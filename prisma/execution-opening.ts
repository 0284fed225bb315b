import type { CampaignPlan } from '../domain/campaign-plans';
import type { BudgetPolicy } from '../domain/campaign-settings';
import type { Channel } from '../domain/channels';
import { RegenteError } from '../domain/errors';
import { tellEngine } from './campaign-executions';
import { fishBeside } from './fish';
import type { Prisma } from './generated/client';
import type { TenantTx } from './tenant';

export interface ExecutionOpening {
  /** Where the audience was made of rows that already name the execution. */
  id?: string;
  companyId: string;
  campaignId: string;
  audienceId: string;
  type: 'manual' | 'scheduled' | 'retry' | 'test';
  retryOf?: string;
  walletId: string;
  brokerId: string;
  credentialId: string;
  channel: Channel;
  /** Decimal string, per unit. */
  price: string;
  /** Company's zone: decides the month of a charge. */
  timeZone: string;
  scheduledAt: Date | null;
  sendUntil: Date | null;
  frequencyCap: { max: number; periodHours: number } | null;
  onBudgetExhausted: BudgetPolicy;
  plan: CampaignPlan;
  /** The most; see `lanesFor`. */
  lanes: number;
  batchSize: number;
  /** Whether the company's fish are appended behind the audience. */
  withFish: boolean;
}

/**
 * Opens an execution on a ready audience: pins account, price and plan, appends the fish, cuts the audience into ranges
 * that tile it, and tells the engine. Everything that the dispatch does later stands on these rows.
 * Throws CONFLICT when the campaign has an execution that has not ended, or when nobody is in the audience.
 */
export async function openExecution(tx: TenantTx, opening: ExecutionOpening): Promise<string> {
  const { companyId, audienceId, plan } = opening;
  const audience = await tx.audience.findUniqueOrThrow({ where: { id: audienceId } });
  const { recipients } = audience;
  if (recipients === 0) throw new RegenteError('CONFLICT', 'The audience holds nobody.');
  const fish = opening.withFish ? await appendFish(tx, opening, recipients) : 0;
  const { id } = await tx.campaignExecution.create({
    data: {
      ...(opening.id === undefined ? {} : { id: opening.id }),
      companyId,
      campaignId: opening.campaignId,
      audienceId,
      executionType: opening.type,
      retryOf: opening.retryOf ?? null,
      walletId: opening.walletId,
      brokerId: opening.brokerId,
      credentialId: opening.credentialId,
      channel: opening.channel,
      price: opening.price,
      timeZone: opening.timeZone,
      scheduledAt: opening.scheduledAt,
      sendUntil: opening.sendUntil,
      frequencyCap: opening.frequencyCap?.max ?? null,
      onBudgetExhausted: opening.onBudgetExhausted,
      plan: plan as unknown as Prisma.InputJsonObject,
      ledgerMonth: await ledgerMonth(tx),
      recipients,
      fish,
      lanes: lanesFor({
        most: opening.lanes,
        batches: Math.ceil(recipients / opening.batchSize),
        isThrottled: plan.throttle.type !== 'none',
      }),
      batchSize: opening.batchSize,
    },
  });
  if (opening.frequencyCap !== null) {
    await tx.$executeRaw`UPDATE campaign_executions SET frequency_period = make_interval(hours => ${opening.frequencyCap.periodHours}::int) WHERE id = ${id}::uuid`;
  }
  await cutBatches(tx, id, recipients + fish);
  await tellEngine(tx, companyId, id);
  return id;
}

/** Enough for a few workers, few enough for the engine, whose work is by the lane and not by the message. */
const LANES_OF_A_SMALL_CAMPAIGN = 4;
const BATCHES_A_LANE = 16;

/** A throttled campaign sends one message at a time, so a second lane would only wait; nor is there one without a batch. */
export function lanesFor({
  most,
  batches,
  isThrottled,
}: {
  most: number;
  batches: number;
  isThrottled: boolean;
}): number {
  if (isThrottled) return 1;
  const wanted = Math.max(LANES_OF_A_SMALL_CAMPAIGN, Math.ceil(batches / BATCHES_A_LANE));
  return Math.min(most, batches, wanted);
}

/** The month whose partition holds every row of this execution; by the database's clock, in UTC. */
async function ledgerMonth(tx: TenantTx): Promise<Date> {
  const [row] = await tx.$queryRaw<
    { month: Date }[]
  >`SELECT date_trunc('month', now() AT TIME ZONE 'UTC')::date AS month`;
  return row?.month ?? new Date();
}

/** Fish who are in the audience anyway are not appended: they get their message as part of it. */
async function appendFish(
  tx: TenantTx,
  { audienceId, companyId, channel, timeZone, plan }: ExecutionOpening,
  recipients: number,
): Promise<number> {
  const { message, billingUnit } = plan;
  const fish = await fishBeside(tx, audienceId, { message, billingUnit, channel });
  if (fish.length === 0) return 0;
  const { count } = await tx.campaignRecipient.createMany({
    data: fish.map(({ address, nome, customMessage, variables, units }, index) => ({
      companyId,
      audienceId,
      position: recipients + index,
      address,
      phone: address,
      nome,
      customMessage,
      variables: { ...variables },
      timeZone,
      units,
      isFish: true,
    })),
  });
  return count;
}

/** Ranges over the audience, then over the fish, so that a position's batch is plain arithmetic (`batch_of`). */
async function cutBatches(tx: TenantTx, executionId: string, positions: number): Promise<void> {
  await tx.$executeRaw`
    INSERT INTO dispatch_batches (company_id, execution_id, seq, lane, from_position, to_position, next_position)
    SELECT e.company_id, e.id, batch_of(e, p), batch_of(e, p) % e.lanes, p, q, p
      FROM campaign_executions e
        CROSS JOIN LATERAL (
          SELECT p, least(p + e.batch_size, e.recipients) - 1 AS q FROM generate_series(0, e.recipients - 1, e.batch_size) p
          UNION ALL
          SELECT p, least(p + e.batch_size, e.recipients + e.fish) - 1 FROM generate_series(e.recipients, e.recipients + e.fish - 1, e.batch_size) p
        ) range
      WHERE e.id = ${executionId}::uuid`;
  const [tiled] = await tx.$queryRaw<{ ok: boolean }[]>`
    SELECT sum(to_position - from_position + 1) = ${positions}::int AND min(from_position) = 0 AND max(to_position) = ${positions}::int - 1
      AND count(DISTINCT seq) = count(*) AND bool_and(next_from IS NULL OR next_from = to_position + 1) AS ok
      FROM (SELECT b.*, lead(from_position) OVER (ORDER BY seq) AS next_from FROM dispatch_batches b WHERE execution_id = ${executionId}::uuid) t`;
  if (tiled?.ok !== true)
    throw new RegenteError('INTERNAL', 'The ranges do not tile the audience.');
}
