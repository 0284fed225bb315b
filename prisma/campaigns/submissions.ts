import type { Campaign } from '../generated/client';
import type { TenantTx } from '../tenant';
import { NOT_SUBMITTED, type CampaignChange } from './index';
import { lockCampaign } from './lock';

/** Shown as `stateReason` of a draft whose submission was dropped. */
const TEMPLATE_CHANGED = 'template_changed';

/**
 * Keeps a template as it is while something is submitted with it, until the transaction ends; those who submit do not
 * wait for each other. Taken before any campaign's lock.
 */
export async function keepTemplate(tx: TenantTx, templateId: string): Promise<void> {
  await tx.$executeRaw`SELECT pg_advisory_xact_lock_shared(execution_lock(${templateId}::uuid))`;
}

/** Waits for those who are submitting with this template, and holds up new ones until the transaction ends. */
export async function holdTemplate(tx: TenantTx, templateId: string): Promise<void> {
  await tx.$executeRaw`SELECT pg_advisory_xact_lock(execution_lock(${templateId}::uuid))`;
}

/**
 * Makes drafts of the campaigns that wait for approval with this template, whose text is not what was submitted any
 * more. Under `holdTemplate`. What is approved keeps the text that was approved.
 */
export async function dropSubmissions(tx: TenantTx, templateId: string): Promise<CampaignChange[]> {
  const waiting = { templateId, state: 'PENDING_APPROVAL' };
  const found = await tx.campaign.findMany({
    where: waiting,
    orderBy: { id: 'asc' },
    select: { id: true },
  });
  const dropped: CampaignChange[] = [];
  for (const { id } of found) {
    await lockCampaign(tx, id);
    // Approved, rejected or edited before the lock was taken: then there is nothing to drop.
    const before: Campaign | null = await tx.campaign.findFirst({ where: { id, ...waiting } });
    if (before === null) continue;
    const data = { ...NOT_SUBMITTED, stateReason: TEMPLATE_CHANGED };
    dropped.push({ before, after: await tx.campaign.update({ where: { id }, data }) });
  }
  return dropped;
}
