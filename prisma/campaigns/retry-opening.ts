import type { CampaignPlan } from '../../domain/campaign-plans';
import type { BudgetPolicy } from '../../domain/campaign-settings';
import type { Channel } from '../../domain/channels';
import { RegenteError } from '../../domain/errors';
import { openExecution } from '../execution-opening';
import type { Campaign, CampaignExecution } from '../generated/client';
import type { TenantTx } from '../tenant';
import { submissionOf, type DispatchShape } from './approval';
import { notReady } from './offers';
import { readSource, sourceProblems, type CampaignSource } from './sources';

export interface RetryOpening {
  /** The id of the new execution, by which rows of earlier ones say that it has taken them (`retried_by`). */
  executionId: string;
  campaign: Campaign;
  /** The newest execution, whose account, plan and month of approval are kept. */
  last: CampaignExecution;
  createdBy: string;
  shape: DispatchShape;
}

/**
 * Opens a new execution whose audience are the people whose rows it has taken, and answers how many they are. People,
 * message and price are those that were approved, so it needs no new approval; a price that has risen since does.
 * Everybody passes the gate again.
 * Throws CONFLICT when it is too late or too dear.
 */
export async function openRetry(tx: TenantTx, opening: RetryOpening): Promise<number> {
  const { campaign, last, shape, executionId: id } = opening;
  const source = await readSource(tx, campaign);
  const plan = last.plan as unknown as CampaignPlan;
  const credentialId = requireApproved({ campaign, source, last, plan });
  const { audienceId, recipients, timeZones } = await audienceOfTaken(tx, opening);
  await openExecution(tx, {
    id,
    companyId: campaign.companyId,
    campaignId: campaign.id,
    audienceId,
    type: 'retry',
    retryOf: last.id,
    walletId: last.walletId,
    brokerId: last.brokerId,
    credentialId,
    channel: last.channel as Channel,
    price: source.broker.costPerMessage.toFixed(4),
    timeZone: source.company.timeZone,
    scheduledAt: null,
    sendUntil: campaign.sendUntil,
    frequencyCap: source.company.frequencyCap,
    onBudgetExhausted: last.onBudgetExhausted as BudgetPolicy,
    plan: {
      ...plan,
      quietHours: source.company.quietHours,
      ratePerSecond: source.broker.ratePerSecond?.toNumber() ?? null,
      timeZones,
    },
    ...shape,
    withFish: false,
  });
  await tx.campaign.update({
    where: { id: campaign.id },
    data: { state: 'APPROVED', stateReason: null },
  });
  return recipients;
}

/** Answers the account to send with. Throws CONFLICT for what the approval does not cover. */
function requireApproved({
  campaign,
  source,
  last,
  plan,
}: Pick<RetryOpening, 'campaign' | 'last'> & {
  source: CampaignSource;
  plan: CampaignPlan;
}): string {
  const problems = sourceProblems(source);
  if (campaign.sendUntil !== null && campaign.sendUntil.getTime() <= Date.now())
    problems.push({ pointer: '/sendUntil', detail: 'has passed' });
  const approved = submissionOf(campaign)?.price ?? last.price.toFixed(4);
  if (source.broker.costPerMessage.greaterThan(approved)) {
    const detail = `costs more than the ${approved} that were approved; clone the campaign`;
    problems.push({ pointer: '/brokerId', detail });
  }
  if (source.broker.billingUnit !== plan.billingUnit) {
    const detail = `is billed by the ${source.broker.billingUnit} now, and not by the ${plan.billingUnit} that was approved; clone the campaign`;
    problems.push({ pointer: '/brokerId', detail });
  }
  if (source.credential === null || problems.length > 0) throw notReady(problems);
  return source.credential.id;
}

interface TakenAudience {
  audienceId: string;
  recipients: number;
  timeZones: string[];
}

async function audienceOfTaken(
  tx: TenantTx,
  { executionId, campaign: { id: campaignId, companyId }, createdBy }: RetryOpening,
): Promise<TakenAudience> {
  const audience = await tx.audience.create({
    data: { companyId, campaignId, source: 'retry', state: 'ready', createdBy },
  });
  // Late news of these people is either written down by now, or waits for the end of this and finds them here.
  await tx.$executeRaw`SELECT pg_advisory_xact_lock(retries_lock(${campaignId}::uuid))`;
  const recipients = await tx.$executeRaw`
    INSERT INTO campaign_recipients (company_id, audience_id, position, address, nome, phone, email, cpf_cnpj,
      idcob_contrato, custom_message, variables, time_zone, units, skip_reason)
    SELECT r.company_id, ${audience.id}::uuid, row_number() OVER (ORDER BY r.audience_id, r.position) - 1, r.address, r.nome,
        r.phone, r.email, r.cpf_cnpj, r.idcob_contrato, r.custom_message, r.variables, r.time_zone, r.units,
        -- An earlier message may have been proven to have arrived since.
        r.skip_reason
      FROM campaign_executions e
        JOIN communications c ON c.ledger_month = e.ledger_month AND c.source_id = e.id
        JOIN campaign_recipients r ON r.audience_id = e.audience_id AND r.position = c.position
      WHERE e.campaign_id = ${campaignId}::uuid AND e.execution_type <> 'test'
        AND c.retried_by = ${executionId}::uuid`;
  const zones = await tx.$queryRaw<{ zone: string }[]>`
    SELECT DISTINCT time_zone AS zone FROM campaign_recipients WHERE audience_id = ${audience.id}::uuid`;
  const timeZones = zones.map(({ zone }) => zone);
  await tx.audience.update({ where: { id: audience.id }, data: { recipients, timeZones } });
  return { audienceId: audience.id, recipients, timeZones };
}

/** An id that grows with time, as the database makes them. */
export async function newExecutionId(tx: TenantTx): Promise<string> {
  const [row] = await tx.$queryRaw<{ id: string }[]>`SELECT uuidv7()::text AS id`;
  if (row === undefined) throw new RegenteError('INTERNAL', 'The database made no id.');
  return row.id;
}
