import { z } from 'zod';

const rate = z.number().min(0).max(1);
const ms = z.number().min(0).max(86_400_000);

/** How often each fault strikes; their sum is at most 1, because one draw decides among them. */
const ratesSchema = z
  .strictObject({
    /** Refused for good with one of `rejectCodes`. */
    reject: rate.default(0),
    /** 429, whatever the rate limit says. */
    rateLimited: rate.default(0),
    /** 503, never accepted. */
    unavailable: rate.default(0),
    /** 500 without having accepted. */
    error: rate.default(0),
    /** 500 after having accepted. */
    errorAfter: rate.default(0),
    /** The connection ends before anything was accepted. */
    dropBefore: rate.default(0),
    /** The connection ends after the message was accepted. */
    dropAfter: rate.default(0),
    /** Accepted, then half of the reply. */
    cut: rate.default(0),
    /** Accepted, then no answer at all. */
    stall: rate.default(0),
    /** Accepted, answered only after `lateMs`. */
    late: rate.default(0),
  })
  .refine((rates) => Object.values(rates).reduce((sum, one) => sum + one, 0) <= 1.000_001, {
    message: 'The rates add up to more than 1.',
  });

const latencySchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('fixed'), ms }),
  z.strictObject({ kind: z.literal('normal'), meanMs: ms, deviationMs: ms }),
  z.strictObject({ kind: z.literal('jitter'), minMs: ms, maxMs: ms }),
]);

const webhooksSchema = z.strictObject({
  url: z.url(),
  secret: z.string().min(1),
  /** Parts of what was accepted: `read` is a part of `delivered`; `failed` stands beside both. */
  delivered: rate.default(1),
  read: rate.default(0),
  failed: rate.default(0),
  /** From acceptance to `delivered` or `failed`, and again from `delivered` to `read`. */
  minDelayMs: ms.default(0),
  maxDelayMs: ms.default(0),
  /**
   * A message's first event is sent at once, past all that wait, and the message is answered only when that was
   * answered, or has failed once.
   */
  beforeAnswer: rate.default(0),
  /** Events per request. */
  batchSize: z.number().int().min(1).max(1_000).default(1),
  concurrency: z.number().int().min(1).max(64).default(4),
  /** `read` is sent before `delivered`. */
  outOfOrder: rate.default(0),
  /** The same event is sent a second time. */
  repeated: rate.default(0),
  /** The event is sent `lateMs` after its time. */
  late: rate.default(0),
  lateMs: ms.default(2_000),
  maxAttempts: z.number().int().min(1).max(20).default(5),
  /** Before the second attempt; doubled from then on. */
  backoffMs: ms.default(100),
  timeoutMs: ms.default(10_000),
});

const rejectCodeSchema = z.strictObject({
  code: z.string().regex(/^\w{1,64}$/),
  status: z.number().int().min(400).max(499).default(400),
  permanent: z.boolean().default(true),
});

const settingsSchema = z.strictObject({
  seed: z.number().int().default(1),
  /** A repeated key: answers the first result, is refused with 409, or means nothing. */
  idempotency: z.enum(['same', 'rejects', 'off']).default('same'),
  idempotencyTtlMs: ms.default(86_400_000),
  lookup: z.boolean().default(true),
  /** An accepted message shows in the look-up only after this time. */
  settleMs: ms.default(0),
  bulk: z.boolean().default(true),
  /** Messages per second and token. */
  rateLimit: z
    .strictObject({ perSecond: z.number().positive(), burst: z.number().min(1) })
    .nullable()
    .default(null),
  retryAfter: z.enum(['seconds', 'date']).default('seconds'),
  latency: latencySchema.nullable().default(null),
  rates: ratesSchema.prefault({}),
  rejectCodes: z
    .array(rejectCodeSchema)
    .min(1)
    .prefault([{ code: 'invalid_number' }]),
  lateMs: ms.default(1_000),
  /** Everything fails: 503, connections cut, or silence. */
  outage: z.enum(['none', 'unavailable', 'drop', 'hang']).default('none'),
  /** The behaviours by number that the head of index.ts lists. */
  numberRules: z.boolean().default(true),
  /** No call for a reference with this prefix may arrive after `at` (epoch ms); those that do are `lateStarts`. */
  fence: z
    .strictObject({ at: z.number(), prefix: z.string().default('') })
    .nullable()
    .default(null),
  /** Keeps one line per message of every request. */
  journal: z.boolean().default(false),
  webhooks: webhooksSchema.nullable().default(null),
});

export type SandboxSettings = z.infer<typeof settingsSchema>;
export type WebhookSettings = z.infer<typeof webhooksSchema>;
export type Latency = z.infer<typeof latencySchema>;

/** Any part of the settings; `rates` and `webhooks` are merged field by field, the rest is replaced. */
export type SettingsPatch = Omit<z.input<typeof settingsSchema>, 'webhooks'> & {
  webhooks?: Partial<z.input<typeof webhooksSchema>> | null;
};

/** Throws an Error that lists what is wrong. */
export function mergeSettings(current: SandboxSettings | null, patch: unknown): SandboxSettings {
  const change = z.record(z.string(), z.unknown()).parse(patch ?? {});
  const merged: Record<string, unknown> = { ...current, ...change };
  for (const key of ['rates', 'webhooks'] as const) {
    const part = change[key];
    if (part !== null && typeof part === 'object') merged[key] = { ...current?.[key], ...part };
  }
  const parsed = settingsSchema.safeParse(merged);
  if (parsed.success) return parsed.data;
  throw new Error(`These are no sandbox settings:\n${z.prettifyError(parsed.error)}`);
}
