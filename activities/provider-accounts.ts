import { RegenteError } from '../domain/errors';
import type { MessagingProvider } from '../providers/messaging/port';
import { vendorFor } from '../providers/messaging/index';
import { createCallFlow, type CallFlow } from './call-flow';
import type { Database } from '../prisma/client';
import type { Encryption } from '../prisma/encryption';
import {
  readAccountVersion,
  readProviderAccount,
  type ProviderAccountRow,
} from '../prisma/provider-accounts';
import { withTenant } from '../prisma/tenant';

/** A vendor account that this process has open, with what this process has learned about it. */
export interface ProviderAccount {
  readonly credentialId: string;
  readonly version: number;
  readonly provider: MessagingProvider;
  readonly flow: CallFlow;
  /** Micro-batches one after the other of which nothing reached the vendor. */
  failuresInRow: number;
  /** The end of the pause after the last of them. */
  restsUntilMs: number;
  /** Until when its bucket is asked even where no rate is configured, because it has said "slower". */
  limitedUntilMs: number;
}

export interface ProviderAccounts {
  /** The open account of a credential; opened again when its config has changed. Throws CONFIGURATION. */
  open(companyId: string, credentialId: string): Promise<ProviderAccount>;
  close(): Promise<void>;
}

/** A stored config that its vendor no longer takes can only be mended by a person, like one that is gone. */
function openProvider({ vendor: name, config }: ProviderAccountRow): MessagingProvider {
  try {
    const vendor = vendorFor(name);
    return vendor.open(vendor.parseConfig(config));
  } catch (cause) {
    throw new RegenteError('CONFIGURATION', `The credential for "${name}" cannot be used.`, {
      cause,
    });
  }
}

export function createProviderAccounts({
  db,
  encryption,
}: {
  db: Database;
  encryption: Encryption;
}): ProviderAccounts {
  const accounts = new Map<string, ProviderAccount>();
  const opening = new Map<string, Promise<ProviderAccount>>();

  const openFresh = async (companyId: string, credentialId: string): Promise<ProviderAccount> => {
    const row = await withTenant(db, companyId, (tx) =>
      readProviderAccount(tx, encryption, credentialId),
    );
    const provider = openProvider(row);
    const account = {
      credentialId,
      version: row.version,
      provider,
      flow: createCallFlow(provider.capabilities.concurrency),
      failuresInRow: 0,
      restsUntilMs: 0,
      limitedUntilMs: 0,
    };
    // Whoever still holds the old one finishes with it; its pool closes when its requests have ended.
    void accounts.get(credentialId)?.provider.close();
    accounts.set(credentialId, account);
    return account;
  };

  return {
    async open(companyId, credentialId) {
      const known = accounts.get(credentialId);
      if (known !== undefined) {
        const version = await withTenant(db, companyId, (tx) =>
          readAccountVersion(tx, credentialId),
        );
        if (version === known.version) return known;
      }
      const running =
        opening.get(credentialId) ??
        openFresh(companyId, credentialId).finally(() => opening.delete(credentialId));
      opening.set(credentialId, running);
      return running;
    },
    async close() {
      await Promise.all([...accounts.values()].map(({ provider }) => provider.close()));
      accounts.clear();
    },
  };
}
