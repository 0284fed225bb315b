import { draftTransition, requireAllowed, type CampaignState } from '../../domain/campaigns';
import { startProblems } from '../../domain/campaign-settings';
import { offerChanges, type Submission } from '../../domain/campaign-offers';
import { RegenteError } from '../../domain/errors';
import { isAssessed } from '../audiences/terms';
import { refuseRunningUpload } from '../audiences/uploads';
import { openExecution } from '../execution-opening';
import type { Campaign, Prisma } from '../generated/client';
import type { TenantTx } from '../tenant';
import { NOT_SUBMITTED, type CampaignChange } from './index';
import { holdCampaign } from './lock';
import { freeze, makeOffer, notReady } from './offers';
import { editorsWith, getCampaign, isEditor, type CampaignActor } from './scope';
import { channelOf, planOf, readSource } from './sources';
import { keepTemplate } from './submissions';

/** How the dispatch is to cut an audience; from the configuration of the API. */
export interface DispatchShape {
  lanes: number;
  batchSize: number;
}

export const submissionOf = (campaign: Campaign): Submission | null =>
  campaign.submission as unknown as Submission | null;

/**
 * Freezes what is to be approved, after `ensureAssessed`. Throws CONFLICT in any state but DRAFT, while an upload runs,
 * and with all that is missing.
 */
export async function submitCampaign(
  tx: TenantTx,
  actor: CampaignActor,
  id: string,
): Promise<CampaignChange> {
  const { templateId } = await getCampaign(tx, actor, id);
  if (templateId !== null) await keepTemplate(tx, templateId);
  const { campaign: before } = await holdCampaign(tx, actor, id);
  requireAllowed('submit', before.state as CampaignState);
  if (before.templateId !== templateId) throw changedMeanwhile();
  await refuseRunningUpload(tx, id);
  const source = await readSource(tx, before);
  const offer = await makeOffer(tx, source);
  // Only here: one whose time passes while it waits for approval may go at once.
  const late = startProblems(before.scheduledAt, Date.now());
  if (late.length > 0) throw notReady(late);
  if (!isAssessed(source)) throw changedMeanwhile();
  const after = await tx.campaign.update({
    where: { id },
    data: {
      state: draftTransition('submit').to,
      stateReason: null,
      submission: freeze(offer) as unknown as Prisma.InputJsonObject,
      submittedBy: actor.id,
      submittedAt: new Date(),
      editors: await editorsWith(tx, before.editors, actor),
      rejectedBy: null,
      rejectedAt: null,
      rejectionReason: null,
    },
  });
  return { before, after };
}

const changedMeanwhile = (): RegenteError =>
  new RegenteError('CONFLICT', 'The campaign was changed at this moment. Submit it again.');

/**
 * Approves what was submitted and opens its execution. The approver is nobody who had a hand in it.
 * Throws FORBIDDEN for one's own, CONFLICT when anything is not as it was submitted, or is not the version looked at.
 */
export async function approveCampaign(
  tx: TenantTx,
  actor: CampaignActor,
  id: string,
  { version, shape }: { version: string | undefined; shape: DispatchShape },
): Promise<CampaignChange & { executionId: string }> {
  const { campaign: before } = await holdCampaign(tx, actor, id);
  requireAllowed('approve', before.state as CampaignState);
  if (await isEditor(tx, actor, before)) {
    throw new RegenteError(
      'FORBIDDEN',
      'Somebody else must approve: you have created, edited, uploaded or submitted this campaign.',
      { details: { reason: 'own_campaign' } },
    );
  }
  const submission = submissionOf(before);
  if (submission === null)
    throw new RegenteError('INTERNAL', 'The campaign waits for approval without a submission.');
  if (version !== undefined && version !== submission.version) {
    throw new RegenteError('CONFLICT', 'This is not the version that was looked at any more.', {
      details: { version: submission.version },
    });
  }
  const source = await readSource(tx, before);
  const offer = await makeOffer(tx, source);
  const changed = offerChanges(submission, offer);
  if (changed.length > 0) {
    throw new RegenteError(
      'CONFLICT',
      `Not as it was submitted any more: ${changed.join(', ')}. Reject it, so that it can be submitted again.`,
      { details: { changed } },
    );
  }
  const after = await tx.campaign.update({
    where: { id },
    data: { state: draftTransition('approve').to, approvedBy: actor.id, approvedAt: new Date() },
  });
  const { scheduledAt, sendUntil } = before;
  const executionId = await openExecution(tx, {
    companyId: before.companyId,
    campaignId: id,
    audienceId: offer.audience.id,
    type: scheduledAt === null ? 'manual' : 'scheduled',
    walletId: offer.walletId,
    brokerId: offer.brokerId,
    credentialId: offer.credentialId,
    channel: channelOf(source),
    price: offer.price,
    timeZone: source.company.timeZone,
    scheduledAt,
    sendUntil,
    frequencyCap: source.company.frequencyCap,
    onBudgetExhausted: offer.onBudgetExhausted,
    plan: planOf(source),
    ...shape,
    withFish: true,
  });
  return { before, after, executionId };
}

/** Back to DRAFT, with the reason for whoever submitted it. */
export async function rejectCampaign(
  tx: TenantTx,
  actor: CampaignActor,
  id: string,
  reason: string,
): Promise<CampaignChange> {
  const { campaign: before } = await holdCampaign(tx, actor, id);
  requireAllowed('reject', before.state as CampaignState);
  const after = await tx.campaign.update({
    where: { id },
    data: {
      ...NOT_SUBMITTED,
      rejectedBy: actor.id,
      rejectedAt: new Date(),
      rejectionReason: reason,
    },
  });
  return { before, after };
}
