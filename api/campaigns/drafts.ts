import { CampaignFilter, CampaignInput, CampaignPatch } from '../../domain/campaigns.schema';
import {
  createCampaign,
  deleteCampaign,
  listCampaigns,
  updateCampaign,
} from '../../prisma/campaigns';
import { getCampaign } from '../../prisma/campaigns/scope';
import { withTenant } from '../../prisma/tenant';
import { actorOf, type ApiDeps } from '../context';
import { page, pageArgs, pageOf, PageQuery } from '../paging';
import { createRouter, defineRoute, IdParam, json, jsonBody } from '../routes';
import { write } from '../write';
import { CampaignItem, showItem } from './show';
import { Campaign, showCampaign } from './show-campaign';
import { tags, WHOLE_AUDIENCE } from './verbs';

const list = defineRoute('campaigns:read', {
  method: 'get',
  path: '/',
  tags,
  operationId: 'listCampaigns',
  summary: 'List campaigns',
  description:
    'An AGENT sees their own campaigns, a MANAGER those of the people in their squads and of API keys as well.',
  request: { query: PageQuery.extend(CampaignFilter.shape) },
  responses: { 200: json(pageOf(CampaignItem), 'A page of campaigns') },
});
const create = defineRoute('campaigns:write', {
  method: 'post',
  path: '/',
  tags,
  operationId: 'createCampaign',
  summary: 'Create a draft',
  request: { body: jsonBody(CampaignInput) },
  responses: { 201: json(Campaign, 'The new draft') },
});
const get = defineRoute('campaigns:read', {
  method: 'get',
  path: '/{id}',
  tags,
  operationId: 'getCampaign',
  summary: 'Show a campaign and its progress',
  request: { params: IdParam },
  responses: { 200: json(Campaign, 'The campaign, its approval and its progress') },
});
const update = defineRoute('campaigns:write', {
  method: 'patch',
  path: '/{id}',
  tags,
  operationId: 'updateCampaign',
  summary: 'Change a campaign',
  description:
    'Until the campaign has begun. One that was submitted or approved is a draft again. Another broker with another ' +
    'channel takes the audience away, because its addresses were checked for the old one.',
  request: { params: IdParam, body: jsonBody(CampaignPatch) },
  responses: { 200: json(Campaign, 'The campaign') },
});
const remove = defineRoute('campaigns:write', {
  method: 'delete',
  path: '/{id}',
  tags,
  operationId: 'deleteCampaign',
  summary: 'Delete a draft',
  description: 'A draft that was never approved or tested.',
  request: { params: IdParam },
  responses: { 204: { description: 'Deleted' } },
});

export function draftRoutes({ db, engine }: ApiDeps) {
  return createRouter()
    .openapi(list, async (c) => {
      const { limit, cursor, ...filter } = c.req.valid('query');
      const actor = actorOf(c);
      const mayApprove = actor.permissions.includes('campaigns:approve');
      if (filter.awaitingMyApproval === true && !mayApprove)
        return c.json({ items: [], nextCursor: null }, 200);
      const rows = await withTenant(db, actor.companyId, (tx) =>
        listCampaigns(tx, actor, filter, pageArgs({ limit, cursor })),
      );
      return c.json(page(rows, limit, showItem), 200);
    })
    .openapi(create, async (c) => {
      const actor = actorOf(c);
      const campaign = await write(c, db, 201, async (tx, audit) => {
        const after = await createCampaign(tx, actor.companyId, actor, c.req.valid('json'));
        const entity = { entityType: 'campaign', entityId: after.id };
        await audit({ action: 'campaign.create', ...entity, after });
        return showCampaign(tx, actor, after);
      });
      return c.json(campaign, 201);
    })
    .openapi(get, async (c) => {
      const actor = actorOf(c);
      const campaign = await withTenant(db, actor.companyId, async (tx) =>
        showCampaign(tx, actor, await getCampaign(tx, actor, c.req.valid('param').id)),
      );
      return c.json(campaign, 200);
    })
    .openapi(update, async (c) => {
      const actor = actorOf(c);
      const { id } = c.req.valid('param');
      const campaign = await write(c, db, 200, async (tx, audit) => {
        const { before, after } = await updateCampaign(tx, actor, id, c.req.valid('json'));
        const entity = { entityType: 'campaign', entityId: id };
        if (after !== before) await audit({ action: 'campaign.update', ...entity, before, after });
        return showCampaign(tx, actor, after);
      });
      engine.nudge();
      return c.json(campaign, 200);
    })
    .openapi(remove, async (c) => {
      const actor = actorOf(c);
      const { id } = c.req.valid('param');
      await write(
        c,
        db,
        204,
        async (tx, audit) => {
          const before = await deleteCampaign(tx, actor, id);
          await audit({ action: 'campaign.delete', entityType: 'campaign', entityId: id, before });
          return null;
        },
        WHOLE_AUDIENCE,
      );
      return c.body(null, 204);
    });
}
