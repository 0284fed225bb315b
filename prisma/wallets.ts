import type { WalletFilter, WalletInput, WalletPatch } from '../domain/wallets.schema';
import { notFound } from '../domain/errors';
import type { Wallet } from './generated/client';
import type { PageArgs } from './paging';
import type { TenantTx } from './tenant';

export async function listWallets(
  tx: TenantTx,
  filter: WalletFilter,
  { after, ...page }: PageArgs,
): Promise<Wallet[]> {
  return tx.wallet.findMany({
    where: {
      ...after,
      ...(filter.name === undefined
        ? {}
        : { name: { contains: filter.name, mode: 'insensitive' } }),
      ...(filter.idgisAmbiente === undefined ? {} : { idgisAmbiente: filter.idgisAmbiente }),
    },
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
  return tx.wallet.create({ data: { companyId, ...input } });
}

export async function updateWallet(tx: TenantTx, id: string, input: WalletPatch): Promise<Wallet> {
  return tx.wallet.update({ where: { id }, data: input });
}

/** Throws CONFLICT while a budget, credential or campaign uses it. */
export async function deleteWallet(tx: TenantTx, id: string): Promise<void> {
  await tx.wallet.delete({ where: { id } });
}
