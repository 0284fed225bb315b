import { CloneInput, RetryInput } from '../../domain/campaigns.schema';
import { cloneCampaign } from '../../prisma/campaigns/clones';
import { retryFailed } from '../../prisma/campaigns/retries';
import { actorOf, type ApiDeps } from '../context';
import { createRouter, defineRoute, IdParam, json, MAY_BE_ARCHIVED, optionalBody } from '../routes';
import { write } from '../write';
import { shapeOf } from './approvals';
import { Campaign, showCampaign } from './show-campaign';
import { StateAnswer, tags, WHOLE_AUDIENCE } from './verbs';

const retry = defineRoute('campaigns:approve', {
  method: 'post',
  path: '/{id}/retry-failed',
  tags,
  operationId: 'retryFailed',
  summary: 'Send again to failed people',
  description:
    'Sends again to those whom the vendor has refused, each at most once per retry. The people, the message and the price ' +
    'were approved, so this needs no new approval, only the permission to approve; a price that has risen is refused.',
  request: { params: IdParam, body: optionalBody(RetryInput) },
  responses: { 200: json(StateAnswer, 'The new execution is on its way'), ...MAY_BE_ARCHIVED },
});
const clone = defineRoute('campaigns:write', {
  method: 'post',
  path: '/{id}/clone',
  tags,
  operationId: 'cloneCampaign',
  summary: 'Copy a campaign into a new draft',
  description: 'A new draft of whoever asks, with the settings and a copy of the audience.',
  request: { params: IdParam, body: optionalBody(CloneInput) },
  responses: { 201: json(Campaign, 'The new draft') },
});

export function repeatRoutes(deps: ApiDeps) {
  const { db, engine } = deps;
  const shape = shapeOf(deps);
  return createRouter()
    .openapi(retry, async (c) => {
      const { id } = c.req.valid('param');
      const { includePermanent = false } = c.req.valid('json');
      const answer = await write(
        c,
        db,
        200,
        async (tx, audit) => {
          const options = { includePermanent, shape };
          const { executionId, recipients, before, after } = await retryFailed(
            tx,
            actorOf(c),
            id,
            options,
          );
          await audit({
            action: 'campaign.retry_failed',
            entityType: 'campaign',
            entityId: id,
            before: { state: before },
            after: { state: after, executionId, recipients, includePermanent },
          });
          return { id, state: after, executionId };
        },
        WHOLE_AUDIENCE,
      );
      engine.nudge();
      return c.json(answer, 200);
    })
    .openapi(clone, async (c) => {
      const actor = actorOf(c);
      const { id } = c.req.valid('param');
      const { name, withAudience = true } = c.req.valid('json');
      const campaign = await write(
        c,
        db,
        201,
        async (tx, audit) => {
          const after = await cloneCampaign(tx, actor, id, { name, withAudience });
          const entity = { entityType: 'campaign', entityId: after.id };
          await audit({ action: 'campaign.clone', ...entity, after });
          return showCampaign(tx, actor, after);
        },
        WHOLE_AUDIENCE,
      );
      return c.json(campaign, 201);
    });
}
