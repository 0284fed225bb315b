import type { Assessment } from '../../domain/audience-assessment';
import { sendingSeconds, type AudienceCounts } from '../../domain/audiences';
import { throttleOf } from '../../domain/campaign-settings';
import { isLess, remainingOf } from '../../domain/money';
import { settingsOf } from '../campaigns';
import { getCampaign, type CampaignActor } from '../campaigns/scope';
import { channelOf, readSource, type CampaignSource } from '../campaigns/sources';
import type { Audience } from '../generated/client';
import { countFish, fishBeside } from '../fish';
import type { TenantTx } from '../tenant';
import { countsOf } from './index';
import { termsOf } from './terms';

/** Whom the campaign would reach if it were sent now, what that costs and how long it takes. */
export interface AudienceSummary {
  audience: Audience;
  counts: AudienceCounts;
  /** Null while the campaign has no message, and so nobody has been weighed with it. */
  assessment: Assessment | null;
  reach: Reach;
  timeZones: { timeZone: string; recipients: number }[];
  fish: { contacts: number; units: number };
  cost: { price: string; units: number; estimated: string; currency: string };
  budget: MonthBudget;
  /** Null where neither the account nor the campaign sets a pace. */
  seconds: number | null;
}

/** Disjoint, in the order of the gate: `recipients = sendable + missingVariables + blocklist + optOuts`. */
export interface Reach {
  sendable: number;
  missingVariables: number;
  blocklist: number;
  optOuts: number;
}

/** Decimal strings; null figures where the wallet has no budget for the month, which is no money. */
export interface MonthBudget {
  month: string;
  budget: string | null;
  used: string | null;
  reserved: string | null;
  remaining: string | null;
  enough: boolean;
}

/** Counts now: blocklist, opt-outs, fish and budget change by the minute. Null without an audience. Throws NOT_FOUND. */
export async function summarizeAudience(
  tx: TenantTx,
  actor: CampaignActor,
  campaignId: string,
): Promise<AudienceSummary | null> {
  const source = await readSource(tx, await getCampaign(tx, actor, campaignId));
  const { audience, broker, campaign, company } = source;
  if (audience === null) return null;
  const zones = await countZones(tx, source, audience);
  const sum = (pick: (row: ZoneCount) => number): number =>
    zones.reduce((total, row) => total + pick(row), 0);
  const sendable = sum((row) => row.sendable);
  const fish = countFish(await fishBeside(tx, audience.id, termsOf(source)));
  const units = sum((row) => row.units) + fish.units;
  const estimated = broker.costPerMessage.mul(units).toFixed(4);
  const { throttlingType, throttlingConfig } = settingsOf(campaign);
  return {
    audience,
    counts: countsOf(audience),
    assessment:
      audience.assessedWith === null ? null : (audience.assessment as unknown as Assessment),
    reach: {
      sendable,
      missingVariables: sum((row) => row.missing),
      blocklist: sum((row) => row.blocklist),
      optOuts: sum((row) => row.optOuts),
    },
    timeZones: zones.map(({ timeZone, recipients }) => ({ timeZone, recipients })),
    fish,
    cost: {
      price: broker.costPerMessage.toFixed(4),
      units,
      estimated,
      currency: company.currency,
    },
    budget: await readBudget(tx, source, estimated),
    seconds: sendingSeconds(
      sendable + fish.contacts,
      broker.ratePerSecond?.toNumber() ?? null,
      throttleOf(throttlingType, throttlingConfig),
    ),
  };
}

interface ZoneCount {
  timeZone: string;
  recipients: number;
  missing: number;
  blocklist: number;
  optOuts: number;
  sendable: number;
  units: number;
}

/** The lists are joined and not asked person by person, so that a million people are one pass. */
async function countZones(
  tx: TenantTx,
  source: CampaignSource,
  audience: Audience,
): Promise<ZoneCount[]> {
  return tx.$queryRaw<ZoneCount[]>`
    WITH judged AS (
      SELECT r.time_zone, r.units,
        CASE
          WHEN r.skip_reason IS NOT NULL THEN 'missing'
          WHEN p.phone IS NOT NULL OR d.cpf_cnpj IS NOT NULL THEN 'blocklist'
          WHEN o.address IS NOT NULL THEN 'opt_out'
        END AS refusal
      FROM campaign_recipients r
        LEFT JOIN (SELECT DISTINCT phone FROM blocklist_entries WHERE phone IS NOT NULL) p ON p.phone = r.phone
        LEFT JOIN (SELECT DISTINCT cpf_cnpj FROM blocklist_entries WHERE cpf_cnpj IS NOT NULL) d ON d.cpf_cnpj = r.cpf_cnpj
        LEFT JOIN (SELECT address FROM opt_outs WHERE channel = ${channelOf(source)}) o ON o.address = r.address
      WHERE r.audience_id = ${audience.id}::uuid AND NOT r.is_fish
    )
    SELECT time_zone AS "timeZone", count(*)::int AS recipients,
      count(*) FILTER (WHERE refusal = 'missing')::int AS missing,
      count(*) FILTER (WHERE refusal = 'blocklist')::int AS blocklist,
      count(*) FILTER (WHERE refusal = 'opt_out')::int AS "optOuts",
      count(*) FILTER (WHERE refusal IS NULL)::int AS sendable,
      coalesce(sum(units) FILTER (WHERE refusal IS NULL), 0)::int AS units
    FROM judged GROUP BY time_zone ORDER BY count(*) DESC, time_zone`;
}

interface BudgetRow {
  month: string;
  budget: string | null;
  used: string | null;
  reserved: string | null;
}

/** Of the month in which sending begins, in the company's time zone. */
async function readBudget(
  tx: TenantTx,
  { campaign, company }: CampaignSource,
  estimated: string,
): Promise<MonthBudget> {
  const [row] = await tx.$queryRaw<BudgetRow[]>`
    SELECT to_char(m.start, 'YYYY-MM') AS month, g.budget::text, g.used::text, g.reserved::text
      FROM (SELECT greatest(now(), ${campaign.scheduledAt}::timestamptz) AT TIME ZONE ${company.timeZone} AS start) m
        LEFT JOIN budgets g ON g.wallet_id = ${campaign.walletId}::uuid
          AND g.year = extract(year FROM m.start)::int AND g.month = extract(month FROM m.start)::int`;
  const { month = '', budget = null, used = null, reserved = null } = row ?? {};
  if (budget === null || used === null || reserved === null)
    return { month, budget, used, reserved, remaining: null, enough: false };
  const remaining = remainingOf({ budget, used, reserved });
  return { month, budget, used, reserved, remaining, enough: !isLess(remaining, estimated) };
}
