import type { BrokerFilter, BrokerInput, BrokerPatch } from '../domain/brokers.schema';
import { notFound, RegenteError } from '../domain/errors';
import { refuseInUse, unlessTaken } from './conflicts';
import { containing } from './filters';
import type { Broker } from './generated/client';
import type { PageArgs } from './paging';
import type { TenantTx } from './tenant';

const TAKEN = { message: 'The company has a broker with this name already.', pointer: '/name' };

export async function listBrokers(
  tx: TenantTx,
  filter: BrokerFilter,
  { after, ...page }: PageArgs,
): Promise<Broker[]> {
  const { provider, channel } = filter;
  return tx.broker.findMany({
    where: { ...after, name: containing(filter.text), provider, channel },
    ...page,
  });
}

/** Throws NOT_FOUND; another company's broker is not found either. */
export async function getBroker(tx: TenantTx, id: string): Promise<Broker> {
  const broker = await tx.broker.findUnique({ where: { id } });
  if (broker === null) throw notFound('broker');
  return broker;
}

/** Throws CONFLICT when the company has a broker of this name. */
export async function createBroker(
  tx: TenantTx,
  companyId: string,
  input: BrokerInput,
): Promise<Broker> {
  return unlessTaken(tx.broker.create({ data: { companyId, ...input } }), TAKEN);
}

/**
 * A new price or rate counts for what is approved from now on; approved campaigns keep theirs.
 * Throws CONFLICT when provider or channel would change under credentials or campaigns that were made for them.
 */
export async function updateBroker(tx: TenantTx, id: string, input: BrokerPatch): Promise<Broker> {
  // Alone on the row: a credential or campaign being added right now is waited for, and then counted.
  await tx.$queryRaw`SELECT id FROM brokers WHERE id = ${id}::uuid FOR UPDATE`;
  const before = await getBroker(tx, id);
  const moved = (['provider', 'channel'] as const).filter(
    (field) => input[field] !== undefined && input[field] !== before[field],
  );
  if (moved.length > 0) {
    try {
      await refuseUsedBroker(tx, id);
    } catch (error) {
      if (!(error instanceof RegenteError)) throw error;
      const fields = moved.map((field) => ({
        pointer: `/${field}`,
        detail: 'cannot change any more',
      }));
      throw new RegenteError('CONFLICT', error.message, { fields, details: error.details });
    }
  }
  return unlessTaken(tx.broker.update({ where: { id }, data: input }), TAKEN);
}

/** Throws CONFLICT while a credential, campaign or charge uses it. */
export async function deleteBroker(tx: TenantTx, id: string): Promise<void> {
  await refuseUsedBroker(tx, id);
  await tx.broker.delete({ where: { id } });
}

async function refuseUsedBroker(tx: TenantTx, brokerId: string): Promise<void> {
  refuseInUse('broker', {
    campaigns: await tx.campaign.count({ where: { brokerId } }),
    credentials: await tx.credential.count({ where: { brokerId } }),
    charges: await tx.budgetCharge.count({ where: { brokerId } }),
  });
}
