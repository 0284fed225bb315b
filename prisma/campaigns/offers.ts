import { createHash } from 'node:crypto';
import type { BillingUnit } from '../../domain/brokers';
import { canonicalJson, type CampaignOffer, type Submission } from '../../domain/campaign-offers';
import { throttleOf, timeProblems, type BudgetPolicy } from '../../domain/campaign-settings';
import { RegenteError, type FieldError } from '../../domain/errors';
import type { Audience } from '../generated/client';
import { termsOf } from '../audiences/terms';
import { countFish, fishBeside } from '../fish';
import type { TenantTx } from '../tenant';
import { settingsOf } from './index';
import { messageOf, planOf, sourceProblems, type CampaignSource } from './sources';

interface AudienceFacts {
  sendable: number;
  units: number;
  /** How many have a message of their own. */
  custom: number;
}

/**
 * What would be approved if this campaign were submitted now.
 * Throws CONFLICT with a pointer to everything that is missing for it.
 */
export async function makeOffer(tx: TenantTx, source: CampaignSource): Promise<CampaignOffer> {
  const { campaign, broker, credential, company } = source;
  const audience = readyAudience(source);
  const facts = audience === null ? null : await readFacts(tx, audience);
  const problems = [...sourceProblems(source), ...audienceProblems(source, facts)];
  if (audience === null || facts === null || credential === null || problems.length > 0)
    throw notReady(problems);
  const fish = countFish(await fishBeside(tx, audience.id, termsOf(source)));
  const { throttlingType, throttlingConfig, ...schedule } = settingsOf(campaign);
  return {
    name: campaign.name,
    audience: {
      id: audience.id,
      recipients: audience.recipients,
      sendable: facts.sendable,
      units: facts.units,
    },
    fish,
    price: broker.costPerMessage.toFixed(4),
    estimatedCost: broker.costPerMessage.mul(facts.units + fish.units).toFixed(4),
    currency: company.currency,
    billingUnit: broker.billingUnit as BillingUnit,
    message: messageOf(source),
    walletId: campaign.walletId,
    brokerId: campaign.brokerId,
    credentialId: credential.id,
    scheduledAt: schedule.scheduledAt?.toISOString() ?? null,
    sendUntil: schedule.sendUntil?.toISOString() ?? null,
    sendWindow: schedule.sendWindow,
    throttle: throttleOf(throttlingType, throttlingConfig),
    onBudgetExhausted: campaign.onBudgetExhausted as BudgetPolicy,
  };
}

/** An offer with the version that stands for all of it. */
export function freeze(offer: CampaignOffer): Submission {
  const version = createHash('sha256')
    .update(canonicalJson(offer))
    .digest('base64url')
    .slice(0, 22);
  return { ...offer, version };
}

export function notReady(problems: FieldError[]): RegenteError {
  const list = problems.map(({ pointer, detail }) => `${pointer.slice(1)} ${detail}`).join('; ');
  return new RegenteError('CONFLICT', `The campaign is not ready: ${list}.`, { fields: problems });
}

const readyAudience = ({ audience }: CampaignSource): Audience | null =>
  audience?.state === 'ready' && audience.recipients > 0 ? audience : null;

function audienceProblems(source: CampaignSource, facts: AudienceFacts | null): FieldError[] {
  const { campaign, company } = source;
  const times = { ...settingsOf(campaign), ...company, timeZones: planOf(source).timeZones };
  const problems = timeProblems(times, Date.now());
  if (facts === null) return [...problems, { pointer: '/audience', detail: 'holds nobody yet' }];
  const { baseMessage, template } = messageOf(source);
  if (baseMessage === null && template === null && facts.custom === 0) {
    const detail = 'is needed: there is no template and nobody has a message of their own';
    problems.push({ pointer: '/baseMessage', detail });
  } else if (facts.sendable === 0) {
    problems.push({ pointer: '/audience', detail: 'holds nobody who can be sent to' });
  }
  return problems;
}

async function readFacts(tx: TenantTx, { id }: Audience): Promise<AudienceFacts> {
  const [row] = await tx.$queryRaw<AudienceFacts[]>`
    SELECT count(*) FILTER (WHERE r.skip_reason IS NULL)::int AS sendable,
      coalesce(sum(r.units) FILTER (WHERE r.skip_reason IS NULL), 0)::int AS units,
      count(*) FILTER (WHERE r.custom_message IS NOT NULL)::int AS custom
    FROM campaign_recipients r WHERE r.audience_id = ${id}::uuid AND NOT r.is_fish`;
  if (row === undefined) throw new RegenteError('INTERNAL', 'The audience cannot be counted.');
  return row;
}
