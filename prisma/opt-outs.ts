import { notFound } from '../domain/errors';
import type { OptOutFilter, OptOutInput } from '../domain/opt-outs.schema';
import { unlessTaken } from './conflicts';
import type { OptOut } from './generated/client';
import type { PageArgs } from './paging';
import type { TenantTx } from './tenant';

const TAKEN = {
  message: 'This address has opted out of this channel already.',
  pointer: '/address',
};

export async function listOptOuts(
  tx: TenantTx,
  filter: OptOutFilter,
  { after, ...page }: PageArgs,
): Promise<OptOut[]> {
  return tx.optOut.findMany({ where: { ...after, ...filter }, ...page });
}

/** Throws NOT_FOUND; another company's opt-out is not found either. */
export async function getOptOut(tx: TenantTx, id: string): Promise<OptOut> {
  const optOut = await tx.optOut.findUnique({ where: { id } });
  if (optOut === null) throw notFound('opt-out');
  return optOut;
}

/** Throws CONFLICT when the address has opted out of the channel already. */
export async function createOptOut(
  tx: TenantTx,
  companyId: string,
  input: OptOutInput,
): Promise<OptOut> {
  return unlessTaken(tx.optOut.create({ data: { companyId, ...input } }), TAKEN);
}

export async function deleteOptOut(tx: TenantTx, id: string): Promise<void> {
  await tx.optOut.delete({ where: { id } });
}
