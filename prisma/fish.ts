import { notFound } from '../domain/errors';
import type { MessageTerms } from '../domain/audience-assessment';
import { addressKind } from '../domain/channels';
import { fishMessage, type Fish, type FishMessage } from '../domain/fish';
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
    where: { ...after, name: containing(filter.text), phone: filter.phone },
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

/** The fish who are not in the audience anyway, each with what it would be sent. None for e-mail: they have no address. */
export async function fishBeside(
  tx: TenantTx,
  audienceId: string,
  terms: MessageTerms,
): Promise<FishMessage[]> {
  if (addressKind(terms.channel) === 'email') return [];
  const fish = await tx.$queryRaw<Fish[]>`
    SELECT f.name, f.phone FROM fish_contacts f
      WHERE NOT EXISTS (SELECT FROM campaign_recipients r
        WHERE r.audience_id = ${audienceId}::uuid AND r.address = f.phone AND NOT r.is_fish)
      ORDER BY f.id`;
  return fish.map((each) => fishMessage(terms, each));
}

/** How many they are, and what they cost in units of the price. */
export const countFish = (fish: readonly FishMessage[]): { contacts: number; units: number } => ({
  contacts: fish.length,
  units: fish.reduce((total, { units }) => total + units, 0),
});

/** Campaigns that run keep their fish: it was made part of their audience when they began. */
export async function deleteFish(tx: TenantTx, id: string): Promise<void> {
  await tx.fishContact.delete({ where: { id } });
}
