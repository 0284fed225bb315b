import {
  isTerminal,
  requireAllowed,
  type CampaignState,
  type ExecutionState,
} from '../../domain/campaigns';
import { createComposer } from '../../domain/campaign-messages';
import {
  MAX_TEST_SENDS,
  requireAwake,
  requireTestLeft,
  requireText,
  TEST_LIFE_MS,
  testRecipient,
  type TestPerson,
} from '../../domain/campaign-test-sends';
import type { MessageState, RecipientState } from '../../domain/communications';
import type { AudienceRecipient } from '../../domain/audience-rows';
import { notFound, RegenteError } from '../../domain/errors';
import { smsSegments } from '../../domain/sms-segments';
import { openExecution } from '../execution-opening';
import type { Audience } from '../generated/client';
import { refuseArchivedMonth } from '../ledger-months';
import type { TenantTx } from '../tenant';
import { notReady } from './offers';
import { getCampaign, identitiesOf, type CampaignActor } from './scope';
import { channelOf, planOf, readSource, sourceProblems, type CampaignSource } from './sources';

/**
 * Sends the campaign's message to one address: an execution of its own with an audience of one, through the same
 * machinery, money and gate. The campaign's schedule, window, pace and frequency cap are left out, for whoever tests
 * waits for it; quiet hours, blocklist and opt-outs hold.
 * Answers the execution's id. Throws NOT_FOUND, VALIDATION, CONFLICT, RATE_LIMITED.
 */
export async function openTestSend(
  tx: TenantTx,
  actor: CampaignActor,
  id: string,
  input: { to: string; recipient?: TestPerson | undefined },
): Promise<string> {
  const campaign = await getCampaign(tx, actor, id);
  requireAllowed('test-send', campaign.state as CampaignState);
  await countTestsOfPerson(tx, actor);
  await countTestsOfCampaign(tx, id);
  const source = await readSource(tx, campaign);
  const { broker, credential, company } = source;
  const problems = sourceProblems(source);
  if (credential === null || problems.length > 0) throw notReady(problems);
  const plan = { ...planOf(source), throttle: { type: 'none' as const }, sendWindow: null };
  const person = await personOf(tx, source, input);
  requireAwake(plan.quietHours, person.timeZone, Date.now());
  const text = requireText(createComposer(plan.message)(person));
  const units = broker.billingUnit === 'segment' ? smsSegments(text).segments : 1;
  const { companyId } = campaign;
  const audience = await tx.audience.create({
    data: {
      companyId,
      campaignId: id,
      source: 'test',
      state: 'ready',
      recipients: 1,
      createdBy: actor.id,
    },
  });
  const { channel, ...columns } = person;
  await tx.campaignRecipient.create({
    data: { companyId, audienceId: audience.id, position: 0, units, ...columns },
  });
  return openExecution(tx, {
    companyId,
    campaignId: id,
    audienceId: audience.id,
    type: 'test',
    walletId: campaign.walletId,
    brokerId: broker.id,
    credentialId: credential.id,
    channel,
    price: broker.costPerMessage.toFixed(4),
    timeZone: company.timeZone,
    scheduledAt: null,
    sendUntil: new Date(Date.now() + TEST_LIFE_MS),
    frequencyCap: null,
    onBudgetExhausted: 'fail',
    plan: { ...plan, timeZones: [person.timeZone] },
    lanes: 1,
    batchSize: 1,
    withFish: false,
  });
}

/** Of the person and their keys, over all campaigns: drafts cost nothing, so a cap of each would cap nobody. */
async function countTestsOfPerson(tx: TenantTx, actor: CampaignActor): Promise<void> {
  const identities = await identitiesOf(tx, actor);
  const keys = await tx.apiKey.findMany({
    where: { createdBy: { in: identities } },
    select: { id: true },
  });
  // The last of them is the person, if there is one behind a key.
  await lockTests(tx, identities.at(-1) ?? actor.id);
  const made = await tx.audience.findMany({
    where: { source: 'test', createdBy: { in: [...identities, ...keys.map(({ id }) => id)] } },
    orderBy: { id: 'desc' },
    take: MAX_TEST_SENDS.person,
    select: { createdAt: true },
  });
  requireTestLeft('person', datesOf(made), Date.now());
}

async function countTestsOfCampaign(tx: TenantTx, campaignId: string): Promise<void> {
  await lockTests(tx, campaignId);
  const made = await tx.campaignExecution.findMany({
    where: { campaignId, executionType: 'test' },
    orderBy: { id: 'desc' },
    take: MAX_TEST_SENDS.campaign,
    select: { createdAt: true },
  });
  requireTestLeft('campaign', datesOf(made), Date.now());
}

/** So that tests side by side are not each the last one. A person's is always taken before a campaign's. */
async function lockTests(tx: TenantTx, id: string): Promise<void> {
  await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtextextended('test-send:' || ${id}, 0))`;
}

const datesOf = (rows: readonly { createdAt: Date }[]): Date[] =>
  rows.map(({ createdAt }) => createdAt);

/** The person that the caller describes, else the first of the audience, at the address to test. */
async function personOf(
  tx: TenantTx,
  source: CampaignSource,
  { to, recipient }: { to: string; recipient?: TestPerson | undefined },
): Promise<AudienceRecipient> {
  const options = { channel: channelOf(source), companyTimeZone: source.company.timeZone };
  const person = testRecipient(to, recipient, options);
  if (recipient !== undefined || source.audience === null) return person;
  const sample = await samplePerson(tx, source.audience);
  return { ...person, ...sample };
}

async function samplePerson(
  tx: TenantTx,
  { id: audienceId }: Audience,
): Promise<Partial<AudienceRecipient>> {
  const row = await tx.campaignRecipient.findFirst({
    where: { audienceId, skipReason: null, isFish: false },
    orderBy: { position: 'asc' },
  });
  if (row === null) return {};
  const { nome, cpfCnpj, idcobContrato, customMessage, variables } = row;
  return {
    nome,
    cpfCnpj,
    idcobContrato,
    customMessage,
    variables: variables as Record<string, string>,
  };
}

/** What has become of a test. */
export interface TestSend {
  id: string;
  to: string;
  /** As in the ledger; `waiting` before it is there. */
  state: RecipientState;
  reason: string | null;
  providerMessageId: string | null;
  cost: string;
  sentAt: Date | null;
  /** Nothing more will happen to it but what the vendor reports. */
  ended: boolean;
}

/** Throws NOT_FOUND; ARCHIVED. */
export async function readTestSend(
  tx: TenantTx,
  actor: CampaignActor,
  campaignId: string,
  id: string,
): Promise<TestSend> {
  await getCampaign(tx, actor, campaignId);
  const execution = await tx.campaignExecution.findFirst({
    where: { id, campaignId, executionType: 'test' },
  });
  if (execution === null) throw notFound('test send');
  const recipient = await tx.campaignRecipient.findFirst({
    where: { audienceId: execution.audienceId, position: 0 },
  });
  if (recipient === null) throw new RegenteError('INTERNAL', 'A test send has lost its recipient.');
  const row = await tx.communication.findFirst({
    where: { ledgerMonth: execution.ledgerMonth, sourceId: id, position: 0, step: 0 },
  });
  if (row === null) await refuseArchivedMonth(tx, execution.ledgerMonth);
  return {
    id,
    to: recipient.address,
    state: (row?.state as MessageState | undefined) ?? 'waiting',
    reason: row?.reason ?? execution.stateReason ?? execution.waitingReason,
    providerMessageId: row?.providerMessageId ?? null,
    cost: row?.state === 'cancelled' ? '0.0000' : (row?.cost.toFixed(4) ?? '0.0000'),
    sentAt: row?.sentAt ?? null,
    ended: isTerminal(execution.state as ExecutionState),
  };
}
