import { ApproveInput, RejectInput } from '../../domain/campaigns.schema';
import { ensureAssessed } from '../../prisma/audiences/assessments';
import {
  approveCampaign,
  rejectCampaign,
  submitCampaign,
  type DispatchShape,
} from '../../prisma/campaigns/approval';
import type { CampaignChange } from '../../prisma/campaigns';
import { getCampaign } from '../../prisma/campaigns/scope';
import { withTenant } from '../../prisma/tenant';
import type { CampaignState } from '../../domain/campaigns';
import { actorOf, type ApiDeps } from '../context';
import { createRouter, defineRoute, IdParam, json, jsonBody, optionalBody } from '../routes';
import { write } from '../write';
import { Campaign, showCampaign } from './show-campaign';
import { auditVerb, StateAnswer, tags } from './verbs';

const submit = defineRoute('campaigns:write', {
  method: 'post',
  path: '/{id}/submit',
  tags,
  operationId: 'submitCampaign',
  summary: 'Submit a draft for approval',
  description: 'Freezes audience, cost, message and schedule for whoever approves.',
  request: { params: IdParam },
  responses: { 200: json(Campaign, 'The campaign, waiting for approval') },
});
const approve = defineRoute('campaigns:approve', {
  method: 'post',
  path: '/{id}/approve',
  tags,
  operationId: 'approveCampaign',
  summary: 'Approve a submitted campaign',
  description:
    'By somebody who has not created, edited, uploaded or submitted it. Refused when anything (the price, the template, ' +
    'the fish …) is not as it was submitted any more; `changed` says what.',
  request: { params: IdParam, body: optionalBody(ApproveInput) },
  responses: { 200: json(StateAnswer, 'APPROVED; it begins at its schedule, or at once') },
});
const reject = defineRoute('campaigns:approve', {
  method: 'post',
  path: '/{id}/reject',
  tags,
  operationId: 'rejectCampaign',
  summary: 'Reject a submitted campaign',
  request: { params: IdParam, body: jsonBody(RejectInput) },
  responses: { 200: json(StateAnswer, 'A draft again, with the reason') },
});

const statesOf = ({ before, after }: CampaignChange) => ({
  before: before.state as CampaignState,
  after: after.state as CampaignState,
});

/** How executions are cut, as the configuration says. */
export const shapeOf = ({ config }: ApiDeps): DispatchShape => ({
  lanes: config.DISPATCH_LANES,
  batchSize: config.DISPATCH_BATCH_SIZE,
});

export function approvalRoutes(deps: ApiDeps) {
  const { db, engine } = deps;
  const shape = shapeOf(deps);
  return createRouter()
    .openapi(submit, async (c) => {
      const actor = actorOf(c);
      const { id } = c.req.valid('param');
      // Before the work on an audience: who does not see the campaign is told so, and starts nothing.
      await withTenant(db, actor.companyId, (tx) => getCampaign(tx, actor, id));
      await ensureAssessed(db, actor.companyId, id);
      const campaign = await write(c, db, 200, async (tx, audit) => {
        const change = await submitCampaign(tx, actor, id);
        await auditVerb(audit, 'submit', id, statesOf(change));
        return showCampaign(tx, actor, change.after);
      });
      return c.json(campaign, 200);
    })
    .openapi(approve, async (c) => {
      const actor = actorOf(c);
      const { id } = c.req.valid('param');
      const { version } = c.req.valid('json');
      const answer = await write(c, db, 200, async (tx, audit) => {
        const change = await approveCampaign(tx, actor, id, { version, shape });
        const { submission } = change.after;
        const entity = { entityType: 'campaign', entityId: id };
        const after = { ...statesOf(change), submission };
        await audit({ action: 'campaign.approve', ...entity, after });
        return { id, state: 'APPROVED' as const, executionId: change.executionId };
      });
      engine.nudge();
      return c.json(answer, 200);
    })
    .openapi(reject, async (c) => {
      const { id } = c.req.valid('param');
      const { reason } = c.req.valid('json');
      const answer = await write(c, db, 200, async (tx, audit) => {
        const change = await rejectCampaign(tx, actorOf(c), id, reason);
        await auditVerb(audit, 'reject', id, { ...statesOf(change), reason });
        return { id, state: 'DRAFT' as const, executionId: null };
      });
      return c.json(answer, 200);
    });
}
