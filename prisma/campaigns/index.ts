import { randomBytes } from 'node:crypto';
import { requireAllowed, type CampaignState } from '../../domain/campaigns';
import {
  checkSettings,
  refuseMoments,
  type CampaignSettings,
  type ThrottlingConfig,
  type ThrottlingType,
} from '../../domain/campaign-settings';
import type { CampaignFilter, CampaignInput, CampaignPatch } from '../../domain/campaigns.schema';
import { canonicalJson } from '../../domain/campaign-offers';
import { RegenteError } from '../../domain/errors';
import type { SendWindow } from '../../domain/send-windows';
import { unknownReference, unlessTaken } from '../conflicts';
import { containing } from '../filters';
import { Prisma, type Campaign } from '../generated/client';
import type { PageArgs } from '../paging';
import type { TenantTx } from '../tenant';
import { holdCampaign } from './lock';
import { editorsWith, identitiesOf, visibleTo, type CampaignActor } from './scope';
import { withdrawExecution } from './withdraw';

const TAKEN = {
  message: 'The company has a campaign with this agendamentoId already.',
  pointer: '/agendamentoId',
};

/** What submission and approval leave on a campaign; gone as soon as it is changed. */
export const NOT_SUBMITTED = {
  state: 'DRAFT',
  stateReason: null,
  submission: Prisma.DbNull,
  submittedBy: null,
  submittedAt: null,
  approvedBy: null,
  approvedAt: null,
};

/** The fields of a stored campaign that must agree with each other. */
export function settingsOf(campaign: Campaign): CampaignSettings {
  return {
    throttlingType: campaign.throttlingType as ThrottlingType,
    throttlingConfig: campaign.throttlingConfig as ThrottlingConfig | null,
    scheduledAt: campaign.scheduledAt,
    sendUntil: campaign.sendUntil,
    sendWindow: campaign.sendWindow as SendWindow | null,
  };
}

export async function listCampaigns(
  tx: TenantTx,
  actor: CampaignActor,
  filter: CampaignFilter,
  { after, ...page }: PageArgs,
): Promise<Campaign[]> {
  const { state, text, createdFrom, createdUntil, awaitingMyApproval, ...equal } = filter;
  const part = containing(text);
  return tx.campaign.findMany({
    where: {
      ...after,
      ...equal,
      ...(state === undefined ? {} : { state: { in: state } }),
      createdAt: { gte: createdFrom, lt: createdUntil },
      AND: [
        visibleTo(actor),
        part === undefined
          ? {}
          : { OR: [{ name: part }, { description: part }, { agendamentoId: part }] },
        awaitingMyApproval === true ? await awaiting(tx, actor) : {},
      ],
    },
    ...page,
  });
}

async function awaiting(tx: TenantTx, actor: CampaignActor): Promise<Prisma.CampaignWhereInput> {
  const mine = await identitiesOf(tx, actor);
  return { state: 'PENDING_APPROVAL', NOT: { editors: { hasSome: mine } } };
}

/** Throws VALIDATION, NOT_FOUND for a wallet, broker or template of nobody, CONFLICT for a taken agendamentoId. */
export async function createCampaign(
  tx: TenantTx,
  companyId: string,
  actor: CampaignActor,
  input: CampaignInput,
): Promise<Campaign> {
  checkSettings(input);
  refuseMoments(input, Date.now());
  await requireReferences(tx, input);
  const { agendamentoId = newAgendamentoId(), ...fields } = input;
  return unlessTaken(
    tx.campaign.create({
      data: { companyId, agendamentoId, ...columnsOf(fields), ...(await madeBy(tx, actor)) },
    }),
    TAKEN,
  );
}

/** Who a new campaign belongs to. An ADMIN who acts in another company is no user of it. */
export async function madeBy(
  tx: TenantTx,
  actor: CampaignActor,
): Promise<{ userId: string | null; apiKeyId: string | null; editors: string[] }> {
  const editors = await editorsWith(tx, [], actor);
  if (actor.type === 'key') return { userId: null, apiKeyId: actor.id, editors };
  const isOfCompany = (await tx.user.count({ where: { id: actor.id } })) > 0;
  return { userId: isOfCompany ? actor.id : null, apiKeyId: null, editors };
}

/** Readable on the telephone: `AG20261121-7F3K9QZ2`. */
export function newAgendamentoId(): string {
  const letters = 'ABCDEFGHJKMNPQRSTUVWXYZ23456789';
  const day = new Date().toISOString().slice(0, 10).replaceAll('-', '');
  const tail = [...randomBytes(8)].map((byte) => letters[byte % letters.length]);
  return `AG${day}-${tail.join('')}`;
}

export interface CampaignChange {
  before: Campaign;
  after: Campaign;
}

/**
 * Changes a campaign that has not begun. One that was submitted or approved is a draft again, and its execution is
 * withdrawn in the same transaction. A patch that changes nothing leaves it as it is.
 * Throws as `createCampaign`, and CONFLICT once it has begun.
 */
export async function updateCampaign(
  tx: TenantTx,
  actor: CampaignActor,
  id: string,
  patch: CampaignPatch,
): Promise<CampaignChange> {
  const { campaign: before, execution } = await holdCampaign(tx, actor, id);
  requireAllowed('edit', before.state as CampaignState);
  checkSettings({ ...settingsOf(before), ...defined(patch) });
  await requireReferences(tx, patch);
  if (!changes(before, patch)) return { before, after: before };
  // Another field of a campaign whose time has passed may be changed; the submission asks again.
  const { scheduledAt, sendUntil } = patch;
  refuseMoments(
    {
      ...(changes(before, { scheduledAt }) ? { scheduledAt } : {}),
      ...(changes(before, { sendUntil }) ? { sendUntil } : {}),
    },
    Date.now(),
  );
  if (execution !== null) {
    if (execution.state !== 'PENDING' || execution.executionType === 'retry') throw hasSent();
    await withdrawExecution(tx, execution, actor.id);
  }
  const after = await tx.campaign.update({
    where: { id },
    data: {
      ...columnsOf(defined(patch)),
      ...NOT_SUBMITTED,
      ...((await keepsAudience(tx, before, patch.brokerId)) ? {} : { audienceId: null }),
      editors: await editorsWith(tx, before.editors, actor),
    },
  });
  return { before, after };
}

const hasSent = (): RegenteError =>
  new RegenteError('CONFLICT', 'This campaign has been sent already; clone it to change it.');

/** An audience is read for a channel: phones that are good for WhatsApp may be landlines. */
async function keepsAudience(
  tx: TenantTx,
  { brokerId }: Campaign,
  newBrokerId: string | undefined,
): Promise<boolean> {
  if (newBrokerId === undefined || newBrokerId === brokerId) return true;
  const brokers = await tx.broker.findMany({ where: { id: { in: [brokerId, newBrokerId] } } });
  return new Set(brokers.map(({ channel }) => channel)).size === 1;
}

/** Removes a draft with its audiences. Throws CONFLICT for one that was ever approved or tested: its ledger stays. */
export async function deleteCampaign(
  tx: TenantTx,
  actor: CampaignActor,
  id: string,
): Promise<Campaign> {
  const { campaign } = await holdCampaign(tx, actor, id);
  requireAllowed('delete', campaign.state as CampaignState);
  const executions = await tx.campaignExecution.count({ where: { campaignId: id } });
  if (executions > 0) {
    throw new RegenteError(
      'CONFLICT',
      'This campaign was approved or tested before, and what was done stays on record.',
      { details: { executions } },
    );
  }
  const audiences = await tx.audience.findMany({ where: { campaignId: id }, select: { id: true } });
  const ofThese = { audienceId: { in: audiences.map((each) => each.id) } };
  await tx.campaign.delete({ where: { id } });
  await tx.campaignRecipient.deleteMany({ where: ofThese });
  await tx.audienceReject.deleteMany({ where: ofThese });
  await tx.audience.deleteMany({ where: { campaignId: id } });
  return campaign;
}

async function requireReferences(
  tx: TenantTx,
  { walletId, brokerId, templateId }: Pick<CampaignPatch, 'walletId' | 'brokerId' | 'templateId'>,
): Promise<void> {
  if (walletId !== undefined && (await tx.wallet.count({ where: { id: walletId } })) === 0)
    throw unknownReference('wallet');
  if (brokerId !== undefined && (await tx.broker.count({ where: { id: brokerId } })) === 0)
    throw unknownReference('broker');
  if (typeof templateId === 'string') {
    if ((await tx.template.count({ where: { id: templateId } })) === 0)
      throw unknownReference('template');
  }
}

type Columns = Omit<CampaignInput, 'agendamentoId'>;

/** JSON columns tell "no value" by a name of Prisma's. */
function columnsOf<T extends Partial<Columns>>({ throttlingConfig, sendWindow, ...fields }: T) {
  return {
    ...fields,
    ...(throttlingConfig === undefined
      ? {}
      : { throttlingConfig: throttlingConfig ?? Prisma.DbNull }),
    ...(sendWindow === undefined ? {} : { sendWindow: sendWindow ?? Prisma.DbNull }),
  };
}

type Defined<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

/** Without the fields that say nothing. */
function defined<T extends object>(patch: T): Defined<T> {
  return Object.fromEntries(
    Object.entries(patch).filter(([, value]) => value !== undefined),
  ) as Defined<T>;
}

function changes(before: Campaign, patch: CampaignPatch): boolean {
  const stored: Readonly<Record<string, unknown>> = { ...before };
  return Object.entries(defined(patch)).some(
    ([field, value]) => canonicalJson(value) !== canonicalJson(stored[field]),
  );
}
