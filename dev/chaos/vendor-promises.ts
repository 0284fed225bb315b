import type { SettingsPatch } from '../sandbox/settings';

/** What a vendor lets us find out about a message whose answer is missing. */
export type VendorPromise = 'keys' | 'lookup' | 'neither';

interface Terms {
  /** Of the account, as its config says them. */
  config: Record<string, unknown>;
  /** Of the vendor, which keeps them. */
  vendor: SettingsPatch;
}

export const VENDOR_PROMISES: Readonly<Record<VendorPromise, Terms>> = {
  keys: {
    config: { idempotency: true, lookup: false },
    vendor: { idempotency: 'same', lookup: false },
  },
  /** A message that is sent twice is taken twice. */
  lookup: {
    config: { idempotency: false, lookup: true, lookupSettlesMs: 500 },
    vendor: { idempotency: 'off', lookup: true, settleMs: 300 },
  },
  neither: {
    config: { idempotency: false, lookup: false },
    vendor: { idempotency: 'off', lookup: false },
  },
};
