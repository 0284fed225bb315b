import { answerParent } from './child';
import { personAt, referenceAt } from './messages';
import { createVendorClient, type VendorAccount, type VendorClient } from './vendor-client';

export interface RawQuestion {
  account: VendorAccount;
  sourceId: string;
  from: number;
  to: number;
}

export interface RawAnswer {
  accepted: number;
}

let client: VendorClient | null = null;

// As many loops as connections, each with one call under way: no engine, no database, no books.
answerParent(async ({ account, sourceId, from, to }: RawQuestion): Promise<RawAnswer> => {
  client ??= createVendorClient(account);
  const { send } = client;
  let next = from;
  let accepted = 0;
  const loop = async (): Promise<void> => {
    while (next < to) {
      const position = next;
      next += 1;
      await send({ reference: referenceAt(sourceId, position), ...personAt(position) });
      accepted += 1;
    }
  };
  await Promise.all(Array.from({ length: account.connections }, loop));
  return { accepted };
});
