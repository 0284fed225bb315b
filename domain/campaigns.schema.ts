import { z } from 'zod';
import { CAMPAIGN_STATES } from './campaigns';
import { BUDGET_POLICIES, THROTTLING_TYPES } from './campaign-settings';
import { RECIPIENT_STATES, recipientStateOf } from './communications';
import { Instant } from './instants.schema';
import { plainText, SearchText, writtenText } from './plain-text.schema';
import { QueryBoolean } from './query.schema';
import { placeholderProblem } from './template-syntax';

const Seconds = z.number().min(0).max(86_400);
const Time = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/, 'must be a time of day, as 08:00');
const Reason = writtenText(500).trim().min(1);
/** Looked at as it was written, so that the position of a mistake is the writer's. */
const Message = writtenText(5_000)
  .superRefine((text, context) => {
    const message = placeholderProblem(text);
    if (message !== null) context.addIssue({ code: 'custom', message });
  })
  .trim()
  .min(1);

const SendWindow = z.strictObject({
  days: z
    .array(z.int().min(1).max(7))
    .min(1)
    .max(7)
    .describe('ISO weekdays, 1 Monday to 7 Sunday.'),
  start: Time,
  end: Time.or(z.literal('24:00')).describe('`24:00` is the end of the day.'),
});

const Fields = z.strictObject({
  name: plainText(200),
  description: writtenText(2_000).trim().nullable(),
  walletId: z.uuid(),
  brokerId: z.uuid(),
  templateId: z.uuid().nullable(),
  baseMessage: Message.nullable().describe(
    'Used where a person has no message of their own and the campaign no template.',
  ),
  throttlingType: z.enum(THROTTLING_TYPES),
  throttlingConfig: z
    .strictObject({ delayLimit: Seconds.optional(), maxRandom: Seconds.optional() })
    .nullable()
    .describe('In seconds.'),
  scheduledAt: Instant.nullable().describe(
    'When it begins: not past, and at most a year ahead. Null: as soon as it is approved.',
  ),
  sendUntil: Instant.nullable().describe(
    'Whoever is not reached before is skipped: not past. Null: there is no end.',
  ),
  sendWindow: SendWindow.nullable(),
  onBudgetExhausted: z.enum(BUDGET_POLICIES),
});

/** A new draft. */
export const CampaignInput = Fields.extend({
  agendamentoId: z
    .string()
    .regex(/^[\w.:-]{1,100}$/, 'must be 1 to 100 letters, digits, or one of _ . : -')
    .optional()
    .describe('How other systems know the campaign; made up when not given.'),
  description: Fields.shape.description.default(null),
  templateId: Fields.shape.templateId.default(null),
  baseMessage: Fields.shape.baseMessage.default(null),
  throttlingType: Fields.shape.throttlingType.default('none'),
  throttlingConfig: Fields.shape.throttlingConfig.default(null),
  scheduledAt: Fields.shape.scheduledAt.default(null),
  sendUntil: Fields.shape.sendUntil.default(null),
  sendWindow: Fields.shape.sendWindow.default(null),
  onBudgetExhausted: Fields.shape.onBudgetExhausted.default('pause'),
});
export type CampaignInput = z.infer<typeof CampaignInput>;

export const CampaignPatch = Fields.partial();
export type CampaignPatch = z.infer<typeof CampaignPatch>;

/** `state=A,B`, or the parameter several times. */
const states = z.preprocess(
  (given) => (typeof given === 'string' ? given.split(',') : given),
  z.array(z.enum(CAMPAIGN_STATES)),
);

export const CampaignFilter = z.object({
  state: states.optional().describe('One state, or several with commas.'),
  walletId: z.uuid().optional(),
  brokerId: z.uuid().optional(),
  userId: z.uuid().optional().describe('Who created it.'),
  apiKeyId: z.uuid().optional().describe('Which key created it.'),
  createdFrom: Instant.optional().describe('The first instant.'),
  createdUntil: Instant.optional().describe('The first instant that is too late.'),
  text: SearchText.optional().describe('Part of the name, the description or the agendamentoId.'),
  awaitingMyApproval: QueryBoolean.optional().describe(
    'Only what waits for approval and may be approved by whoever asks.',
  ),
});
export type CampaignFilter = z.infer<typeof CampaignFilter>;

export const ApproveInput = z.strictObject({
  version: z
    .string()
    .max(100)
    .optional()
    .describe('Of the submission that was looked at; another one is refused.'),
});

export const RejectInput = z.strictObject({ reason: Reason });

/** Why it is paused or cancelled; shown to everybody who asks why nothing is sent. */
export const ReasonInput = z.strictObject({ reason: Reason.optional() });

export const RetryInput = z.strictObject({
  includePermanent: z.boolean().optional().describe('Also those whom the vendor refused for good.'),
});

/** More people than this at once are named by a filter. */
const MOST_POSITIONS = 10_000;

/** What a person decides about messages in `unknown`. */
export const ResolveUnknownInput = z.strictObject({
  as: z.enum(['sent', 'failed', 'again']),
  reason: Reason.describe('How it is known; kept in the audit.'),
  /** Whom of the campaign's people in `unknown`; everybody when not said. */
  only: z
    .strictObject({
      executionId: z.uuid().optional(),
      positions: z
        .array(z.int().min(0).max(2_147_483_647))
        .min(1)
        .max(MOST_POSITIONS)
        .optional()
        .describe(
          'From 0, as the list of people (`position`) and the report (`posicao`) show them, with their `executionId` ' +
            '(`execucao`).',
        ),
      reason: plainText(200).optional().describe("The message's, as `no_answer`."),
    })
    .refine(({ executionId, positions }) => positions === undefined || executionId !== undefined, {
      path: ['executionId'],
      error: 'is needed beside positions, which are those of one execution',
    })
    .refine(({ positions, reason }) => positions === undefined || reason === undefined, {
      path: ['reason'],
      error: 'cannot be given beside positions',
    })
    .default({}),
});
export type ResolveUnknownInput = z.infer<typeof ResolveUnknownInput>;

export const CloneInput = z.strictObject({
  name: Fields.shape.name.optional(),
  withAudience: z.boolean().optional().describe('True when not said.'),
});

export const TestSendInput = z.strictObject({
  to: z
    .string()
    .trim()
    .min(1)
    .max(254)
    .describe("A phone or an e-mail address, by the broker's channel."),
  recipient: z
    .strictObject({
      nome: z.string().max(200).optional(),
      cpfCnpj: z.string().max(20).optional(),
      idcobContrato: z.string().max(100).optional(),
      /** Any text is refused with the reason, and not as an unknown name: the other fields of a row are taken here. */
      customMessage: z
        .null({ error: 'is not taken: a test sends the text of the campaign, or of its audience' })
        .optional(),
      variables: z.record(z.string().max(120), z.string().max(1_000)).default({}),
    })
    .optional()
    .describe(
      "Whose values fill the campaign's text; without it those, and the own message, of the first person of the audience.",
    ),
});
export type TestSendInput = z.infer<typeof TestSendInput>;

export const RecipientFilter = z.object({
  state: z
    .preprocess(
      (word) => (typeof word === 'string' ? (recipientStateOf(word) ?? word) : word),
      z.enum(RECIPIENT_STATES),
    )
    .optional()
    .describe(
      '`waiting`: nothing has been written about the person yet. The words of older systems are taken too: ' +
        'pending and pendente for `waiting`, enviado for `sent`, opened for `read`, error and erro for `failed`.',
    ),
  reason: z.string().max(200).optional().describe('Of the state, as `/reasons` counts them.'),
});
export type RecipientFilter = z.infer<typeof RecipientFilter>;
