import type { WalletFilter, WalletInput, WalletPatch } from '../domain/wallets.schema';
import { notFound } from '../domain/errors';
import { refuseInUse, unlessTaken } from './conflicts';
import { containing } from './filters';
import type { Wallet } from './generated/client';
import type { PageArgs } from './paging';
import type { TenantTx } from './tenant';

const TAKEN = {
  message: 'The company has a wallet with this idgisAmbiente already.',
  pointer: '/idgisAmbiente',
};

export async function listWallets(
  tx: TenantTx,
  filter: WalletFilter,
  { after, ...page }: PageArgs,
): Promise<Wallet[]> {
  return tx.wallet.findMany({
    where: { ...after, name: containing(filter.text), idgisAmbiente: filter.idgisAmbiente },
    ...page,
  });
}

/** Throws NOT_FOUND; another company's wallet is not found either. */
export async function getWallet(tx: TenantTx, id: string): Promise<Wallet> {
  const wallet = await tx.wallet.findUnique({ where: { id } });
  if (wallet === null) throw notFound('wallet');
  return wallet;
}

/** Throws CONFLICT when the company has a wallet with this idgisAmbiente. */
export async function createWallet(
  tx: TenantTx,
  companyId: string,
  input: WalletInput,
): Promise<Wallet> {
  return unlessTaken(tx.wallet.create({ data: { companyId, ...input } }), TAKEN);
}

export async function updateWallet(tx: TenantTx, id: string, input: WalletPatch): Promise<Wallet> {
  return unlessTaken(tx.wallet.update({ where: { id }, data: input }), TAKEN);
}

/** Throws CONFLICT while a budget, credential or campaign uses it. */
export async function deleteWallet(tx: TenantTx, id: string): Promise<void> {
  refuseInUse('wallet', {
    campaigns: await tx.campaign.count({ where: { walletId: id } }),
    budgets: await tx.budget.count({ where: { walletId: id } }),
    credentials: await tx.credential.count({ where: { walletId: id } }),
  });
  await tx.wallet.delete({ where: { id } });
}
