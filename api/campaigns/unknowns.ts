import { z } from '@hono/zod-openapi';
import { CAMPAIGN_STATES } from '../../domain/campaigns';
import { ResolveUnknownInput } from '../../domain/campaigns.schema';
import { graceAfterLeaseMs } from '../../domain/reconcile';
import { resolveUnknown, type Resolved } from '../../prisma/campaigns/unknowns';
import { actorOf, type ApiDeps } from '../context';
import { createRouter, defineRoute, IdParam, json, jsonBody, MAY_BE_ARCHIVED } from '../routes';
import { write, type Audit } from '../write';
import { shapeOf } from './approvals';
import { iso } from './show';
import { tags, WHOLE_AUDIENCE } from './verbs';

const place = { executionId: z.uuid(), position: z.int() };

const ResolvedAnswer = z
  .object({
    id: z.uuid(),
    state: z.enum(CAMPAIGN_STATES),
    executionId: z.uuid().nullable().describe('Which sends again; null where nobody is sent to.'),
    decided: z
      .object({ sent: z.int(), failed: z.int(), again: z.int() })
      .describe('How many people, per decision.'),
    undecided: z.object({ tooEarly: z.int(), notUnknown: z.int(), fish: z.int() }),
    decidableAt: z.iso
      .datetime()
      .nullable()
      .describe('From when on everybody who was too early can be decided.'),
    undecidedPeople: z
      .array(z.object({ ...place, why: z.enum(['tooEarly', 'notUnknown', 'fish']) }))
      .describe('Who could not be decided; the first 100.'),
  })
  .openapi('UnknownResolved');

const resolve = defineRoute('campaigns:approve', {
  method: 'post',
  path: '/{id}/unknown/resolve',
  tags,
  operationId: 'resolveUnknown',
  summary: 'Decide what became of unknown messages',
  description:
    'Decides what became of messages in `unknown` (listed by `GET /v1/campaigns/{id}/recipients?state=unknown`), once their ' +
    'last call is surely over. `sent` keeps their cost; `failed` gives it back. `again` gives it back and sends again: while ' +
    'the campaign runs or is paused, in the same execution under the same idempotency key; after its end in a new ' +
    'execution under a new key, at a price that has not risen. A vendor that had taken the message and does not know the ' +
    'key any more, or is given a new one, delivers twice. A callback that proves a message accepted later is believed.',
  request: { params: IdParam, body: jsonBody(ResolveUnknownInput) },
  responses: {
    200: json(ResolvedAnswer, 'What was decided, and what could not be'),
    ...MAY_BE_ARCHIVED,
  },
});

const WHY = { too_early: 'tooEarly', not_unknown: 'notUnknown', fish: 'fish' } as const;

function show(
  id: string,
  as: ResolveUnknownInput['as'],
  resolved: Resolved,
): z.infer<typeof ResolvedAnswer> {
  const { undecided } = resolved;
  return {
    id,
    state: resolved.after,
    executionId: resolved.executionId,
    decided: { sent: 0, failed: 0, again: 0, [as]: resolved.decided },
    undecided: {
      tooEarly: undecided.too_early,
      notUnknown: undecided.not_unknown,
      fish: undecided.fish,
    },
    decidableAt: iso(resolved.decidableAt),
    undecidedPeople: resolved.undecidedPeople.map(({ why, ...who }) => ({
      ...who,
      why: WHY[why],
    })),
  };
}

/** How many people were decided, by what, and the first of them: the ledger itself says it of everybody. */
async function auditResolved(
  audit: Audit,
  id: string,
  { as, reason, only }: ResolveUnknownInput,
  resolved: Resolved,
): Promise<void> {
  const { before, after, executionId, decided, people, undecided } = resolved;
  const { positions, ...filter } = only;
  const asked = { ...filter, ...(positions === undefined ? {} : { positions: positions.length }) };
  await audit({
    action: 'campaign.resolve_unknown',
    entityType: 'campaign',
    entityId: id,
    before: { state: before },
    after: { state: after, as, reason, only: asked, executionId, decided, undecided, people },
  });
}

export function unknownRoutes(deps: ApiDeps) {
  const { db, engine, config } = deps;
  const shape = shapeOf(deps);
  return createRouter().openapi(resolve, async (c) => {
    const { id } = c.req.valid('param');
    const input = c.req.valid('json');
    const answer = await write(
      c,
      db,
      200,
      async (tx, audit) => {
        const options = { ...input, graceMs: graceAfterLeaseMs(config.PROVIDER_TIMEOUT_MS), shape };
        const resolved = await resolveUnknown(tx, actorOf(c), id, options);
        await auditResolved(audit, id, input, resolved);
        return show(id, input.as, resolved);
      },
      WHOLE_AUDIENCE,
    );
    engine.nudge();
    return c.json(answer, 200);
  });
}
