import type { Config } from '../config';
import { RegenteError } from '../domain/errors';
import { vendorFor } from '../providers/messaging/index';
import type { MessagingProvider } from '../providers/messaging/port';

/** The account that carries invitations and password resets; one per installation, opened when first needed. */
export function createNoticeProvider({
  NOTICE_PROVIDER: name,
  NOTICE_PROVIDER_CONFIG: config,
}: Config): {
  open: () => MessagingProvider;
  close: () => Promise<void>;
} {
  let provider: MessagingProvider | undefined;
  return {
    open() {
      if (name === undefined || config === undefined) {
        throw new RegenteError(
          'CONFIGURATION',
          'Account mail needs NOTICE_PROVIDER and NOTICE_PROVIDER_CONFIG.',
        );
      }
      const vendor = vendorFor(name);
      provider ??= vendor.open(vendor.parseConfig(JSON.parse(config)));
      return provider;
    },
    async close() {
      await provider?.close();
    },
  };
}
