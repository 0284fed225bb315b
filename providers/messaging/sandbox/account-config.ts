import { ConfigReader } from '../config-reader';

/** `idempotency`, `lookup`, `bulk` and `echoesReference` say what the sandbox at this address has switched on. */
export interface SandboxConfig {
  url: string;
  token: string;
  webhookSecret: string;
  connections: number;
  bulk: boolean;
  /** `true` means `same`; `rejects` that a repeated key is refused with 409. */
  idempotency: boolean | 'rejects';
  lookup: boolean;
  /** After this time a look-up knows every message that was accepted. */
  lookupSettlesMs: number;
  echoesReference: boolean;
}

export function readConfig(config: unknown): SandboxConfig {
  const reader = new ConfigReader(config);
  const read: SandboxConfig = {
    url: reader.origin('url'),
    token: reader.secret('token'),
    webhookSecret: reader.secret('webhookSecret'),
    connections: reader.whole('connections', { min: 1, max: 1_024 }, 64),
    bulk: reader.choice('bulk', [true, false], false),
    idempotency: reader.choice('idempotency', [true, false, 'rejects'] as const, true),
    lookup: reader.choice('lookup', [true, false], true),
    lookupSettlesMs: reader.whole('lookupSettlesMs', { min: 0, max: 3_600_000 }, 1_000),
    echoesReference: reader.choice('echoesReference', [true, false], true),
  };
  reader.finish('sandbox');
  return read;
}
