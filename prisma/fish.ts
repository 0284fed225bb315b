import { notFound } from '../domain/errors';
import type { FishFilter, FishInput, FishPatch } from '../domain/fish.schema';
import { unlessTaken } from './conflicts';
import { containing } from './filters';
import type { FishContact } from './generated/client';
import type { PageArgs } from './paging';
import type { TenantTx } from './tenant';

const TAKEN = { message: 'The company has a fish with this phone already.', pointer: '/phone' };

export async function listFish(
  tx: TenantTx,
  filter: FishFilter,
  { after, ...page }: PageArgs,
): Promise<FishContact[]> {
  return tx.fishContact.findMany({
    where: { ...after, name: containing(filter.name), phone: filter.phone },
    ...page,
  });
}

/** Throws NOT_FOUND; another company's fish is not found either. */
export async function getFish(tx: TenantTx, id: string): Promise<FishContact> {
  const fish = await tx.fishContact.findUnique({ where: { id } });
  if (fish === null) throw notFound('fish');
  return fish;
}

/** Throws CONFLICT when the company has a fish with this phone. */
export async function createFish(
  tx: TenantTx,
  companyId: string,
  input: FishInput,
): Promise<FishContact> {
  return unlessTaken(tx.fishContact.create({ data: { companyId, ...input } }), TAKEN);
}

export async function updateFish(tx: TenantTx, id: string, input: FishPatch): Promise<FishContact> {
  return unlessTaken(tx.fishContact.update({ where: { id }, data: input }), TAKEN);
}

/** Campaigns that run keep their fish: it was made part of their audience when they began. */
export async function deleteFish(tx: TenantTx, id: string): Promise<void> {
  await tx.fishContact.delete({ where: { id } });
}
