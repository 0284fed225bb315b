import type { ResolveUnknownInput } from '../../domain/campaigns.schema';
import { messageReference } from '../../domain/communications';
import { resolveUnknown, type Resolved } from '../../prisma/campaigns/unknowns';
import { storeEvents } from '../../prisma/delivery-events';
import type { ExecutionRef } from '../../prisma/dispatch/batches';
import type { HeldBatch, Settlement } from '../../prisma/dispatch/messages';
import { withTenant, type TenantTx } from '../../prisma/tenant';
import type { ExecutionSpec } from './executions';
import { claim, mark, settle, startRace, type Field, type Race } from './races';

export interface Unheard {
  race: Race;
  batch: HeldBatch;
  markId: string;
}

export const silence = (position: number): Settlement => ({
  position,
  outcome: 'unknown',
  code: 'TIMEOUT',
});

/** The next batch of a lane with nobody's call heard the end of; the batch is still held. */
export async function leaveUnheard(field: Field, race: Race, lane = 0): Promise<Unheard> {
  const batch = await claim(field.db, race, lane);
  const { markId, positions } = await mark(field.db, batch, { leaseMs: 1 });
  await settle(field.db, batch, markId, positions.map(silence));
  return { race, batch, markId };
}

/** An execution with such a first batch. */
export const startUnheard = async (field: Field, spec: ExecutionSpec): Promise<Unheard> =>
  leaveUnheard(field, await startRace(field, spec));

const PERSON = {
  type: 'user',
  id: '00000000-0000-7000-8000-000000000001',
  role: 'DIRECTOR',
} as const;

interface DecideOptions {
  only?: ResolveUnknownInput['only'];
  graceMs?: number;
}

/** As the API does it for a director. */
export const decide = (
  field: Pick<Field, 'db'>,
  execution: ExecutionRef,
  as: ResolveUnknownInput['as'],
  options: DecideOptions = {},
): Promise<Resolved> =>
  withTenant(field.db, execution.companyId, (tx) => decideIn(tx, execution, as, options));

/** The same in a transaction that the test ends. */
export async function decideIn(
  tx: TenantTx,
  { executionId }: ExecutionRef,
  as: ResolveUnknownInput['as'],
  { only = {}, graceMs = 0 }: DecideOptions = {},
): Promise<Resolved> {
  const { campaignId } = await tx.campaignExecution.findUniqueOrThrow({
    where: { id: executionId },
  });
  const shape = { lanes: 1, batchSize: 100 };
  const said = { as, reason: 'Conferido com o fornecedor', only };
  return resolveUnknown(tx, PERSON, campaignId, { ...said, graceMs, shape });
}

/** The vendor's callback that somebody's message was delivered, stored and not applied yet. */
export async function storeDelivered(
  field: Pick<Field, 'db'>,
  race: Race,
  position: number,
): Promise<void> {
  const reference = messageReference({
    ledgerMonth: `${new Date().toISOString().slice(0, 7)}-01`,
    sourceId: race.executionId,
    position,
    step: 0,
    channel: 'sms',
  });
  const event = { eventId: `${reference}/delivered`, providerId: null, reference, errorCode: null };
  const route = { companyId: race.companyId, credentialId: race.scene.credentialId };
  await storeEvents(field.db, route, [{ ...event, status: 'delivered', occurredAt: new Date() }]);
}
