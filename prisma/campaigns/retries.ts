import { requireAllowed, type CampaignState } from '../../domain/campaigns';
import type { CampaignPlan } from '../../domain/campaign-plans';
import type { BudgetPolicy } from '../../domain/campaign-settings';
import type { Channel } from '../../domain/channels';
import { RegenteError } from '../../domain/errors';
import { openExecution } from '../execution-opening';
import type { Campaign, CampaignExecution } from '../generated/client';
import { refuseArchived } from '../ledger-months';
import type { TenantTx } from '../tenant';
import { submissionOf, type DispatchShape } from './approval';
import { holdCampaign } from './lock';
import { notReady } from './offers';
import type { CampaignActor } from './scope';
import { readSource, sourceProblems, type CampaignSource } from './sources';

export interface Retry {
  executionId: string;
  recipients: number;
  before: CampaignState;
  after: CampaignState;
}

/**
 * Sends again to those whom the vendor has refused: a new execution of the same campaign whose audience are the failed
 * rows that no other retry has taken. People, message and price are those that were approved, so it needs no new
 * approval; a price that has risen since does. Everybody passes the gate again.
 * Throws CONFLICT while the campaign has not ended, when nobody is left to retry, or when it is too late or too dear;
 * ARCHIVED when some of its people are.
 */
export async function retryFailed(
  tx: TenantTx,
  actor: CampaignActor,
  id: string,
  { includePermanent, shape }: { includePermanent: boolean; shape: DispatchShape },
): Promise<Retry> {
  const { campaign, execution: last } = await holdCampaign(tx, actor, id);
  const before = campaign.state as CampaignState;
  requireAllowed('retry-failed', before);
  if (last === null) throw new RegenteError('INTERNAL', 'The campaign ended without an execution.');
  const source = await readSource(tx, campaign);
  const credentialId = requireApproved(campaign, source, last);
  const executionId = await newId(tx);
  const { audienceId, recipients, timeZones } = await takeFailed(tx, campaign, {
    executionId,
    includePermanent,
    createdBy: actor.id,
  });
  const plan = last.plan as unknown as CampaignPlan;
  await openExecution(tx, {
    id: executionId,
    companyId: campaign.companyId,
    campaignId: id,
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
  await tx.campaign.update({ where: { id }, data: { state: 'APPROVED', stateReason: null } });
  return { executionId, recipients, before, after: 'APPROVED' };
}

/** Answers the account to send with. Throws CONFLICT for what the approval does not cover. */
function requireApproved(
  campaign: Campaign,
  source: CampaignSource,
  last: CampaignExecution,
): string {
  const problems = sourceProblems(source);
  if (campaign.sendUntil !== null && campaign.sendUntil.getTime() <= Date.now())
    problems.push({ pointer: '/sendUntil', detail: 'has passed' });
  const approved = submissionOf(campaign)?.price ?? last.price.toFixed(4);
  if (source.broker.costPerMessage.greaterThan(approved)) {
    const detail = `costs more than the ${approved} that were approved; clone the campaign`;
    problems.push({ pointer: '/brokerId', detail });
  }
  if (source.credential === null || problems.length > 0) throw notReady(problems);
  return source.credential.id;
}

interface Taken {
  audienceId: string;
  recipients: number;
  timeZones: string[];
}

/** Takes the failed rows of all executions of the campaign, each once and for this retry, and makes them an audience. */
async function takeFailed(
  tx: TenantTx,
  { id: campaignId, companyId }: Campaign,
  options: { executionId: string; includePermanent: boolean; createdBy: string },
): Promise<Taken> {
  const { executionId, includePermanent, createdBy } = options;
  const audience = await tx.audience.create({
    data: { companyId, campaignId, source: 'retry', state: 'ready', createdBy },
  });
  const recipients = await tx.$executeRaw`
    WITH taken AS (
      UPDATE communications c SET retried_by = ${executionId}::uuid
        FROM campaign_executions e
        WHERE e.campaign_id = ${campaignId}::uuid AND e.execution_type <> 'test'
          AND c.ledger_month = e.ledger_month AND c.source_id = e.id
          AND c.state = 'failed' AND c.retried_by IS NULL AND NOT c.is_fish
          AND (${includePermanent} OR c.permanent IS NOT TRUE)
        RETURNING e.audience_id, c.position
    )
    INSERT INTO campaign_recipients (company_id, audience_id, position, address, nome, phone, email, cpf_cnpj,
      idcob_contrato, custom_message, variables, time_zone, units)
    SELECT r.company_id, ${audience.id}::uuid, row_number() OVER (ORDER BY r.audience_id, r.position) - 1, r.address, r.nome,
        r.phone, r.email, r.cpf_cnpj, r.idcob_contrato, r.custom_message, r.variables, r.time_zone, r.units
      FROM taken t JOIN campaign_recipients r USING (audience_id, position)`;
  await refuseArchived(tx, campaignId);
  if (recipients === 0) {
    throw new RegenteError(
      'CONFLICT',
      includePermanent
        ? 'Nobody has failed who was not tried again already.'
        : 'Nobody has failed who may be tried again; includePermanent adds those refused for good.',
    );
  }
  const zones = await tx.$queryRaw<{ zone: string }[]>`
    SELECT DISTINCT time_zone AS zone FROM campaign_recipients WHERE audience_id = ${audience.id}::uuid`;
  const timeZones = zones.map(({ zone }) => zone);
  await tx.audience.update({ where: { id: audience.id }, data: { recipients, timeZones } });
  return { audienceId: audience.id, recipients, timeZones };
}

async function newId(tx: TenantTx): Promise<string> {
  const [row] = await tx.$queryRaw<{ id: string }[]>`SELECT uuidv7()::text AS id`;
  if (row === undefined) throw new RegenteError('INTERNAL', 'The database made no id.');
  return row.id;
}
