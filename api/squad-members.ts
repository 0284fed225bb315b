import { z } from '@hono/zod-openapi';
import { RegenteError } from '../domain/errors';
import { ROLES, type Role } from '../domain/permissions';
import { SquadMemberInput, SquadMemberPatch } from '../domain/squads.schema';
import {
  addMember,
  getMember,
  getSquad,
  listMembers,
  removeMember,
  updateMember,
  type Member as MemberRow,
} from '../prisma/squads';
import { held } from '../prisma/held-rows';
import { withTenant, type TenantTx } from '../prisma/tenant';
import { getUser } from '../prisma/users';
import { actorOf, type ApiDeps } from './context';
import { page, pageArgs, pageOf, PageQuery } from './paging';
import { createRouter, defineRoute, IdParam, json, jsonBody } from './routes';
import { write } from './write';

const Member = z
  .object({
    userId: z.uuid(),
    name: z.string(),
    email: z.string(),
    role: z.enum(ROLES),
    isLeader: z.boolean(),
    joinedAt: z.iso.datetime(),
  })
  .openapi('SquadMember');

const show = ({ user, ...row }: MemberRow) => ({
  userId: user.id,
  name: user.name,
  email: user.email,
  role: user.role as Role,
  isLeader: row.isLeader,
  joinedAt: row.joinedAt.toISOString(),
});

const tags = ['Squads'];
const one = { 200: json(Member, 'The member') };
const MemberParams = IdParam.extend({
  userId: z.uuid().openapi({ param: { name: 'userId', in: 'path' } }),
});

const list = defineRoute('squads:read', {
  method: 'get',
  path: '/{id}/members',
  tags,
  operationId: 'listSquadMembers',
  summary: 'List the members of a squad',
  request: { params: IdParam, query: PageQuery },
  responses: { 200: json(pageOf(Member), 'A page of members') },
});
const add = defineRoute('squads:write', {
  method: 'post',
  path: '/{id}/members',
  tags,
  operationId: 'addSquadMember',
  summary: 'Add a member to a squad',
  request: { params: IdParam, body: jsonBody(SquadMemberInput) },
  responses: { 201: json(Member, 'The new member') },
});
const update = defineRoute('squads:write', {
  method: 'patch',
  path: '/{id}/members/{userId}',
  tags,
  operationId: 'updateSquadMember',
  summary: 'Change a member of a squad',
  request: { params: MemberParams, body: jsonBody(SquadMemberPatch) },
  responses: one,
});
const remove = defineRoute('squads:write', {
  method: 'delete',
  path: '/{id}/members/{userId}',
  tags,
  operationId: 'removeSquadMember',
  summary: 'Remove a member from a squad',
  request: { params: MemberParams },
  responses: { 204: { description: 'No longer a member' } },
});

/** How the audit keeps a membership: beside its squad, without the person's own fields. */
const noted = ({ user, ...row }: MemberRow) => ({ ...row, userId: user.id });

export function squadMemberRoutes({ db }: ApiDeps) {
  return createRouter()
    .openapi(list, async (c) => {
      const { id } = c.req.valid('param');
      const query = c.req.valid('query');
      const rows = await withTenant(db, actorOf(c).companyId, async (tx) => {
        await getSquad(tx, id);
        return listMembers(tx, id, pageArgs(query));
      });
      return c.json(page(rows, query.limit, show), 200);
    })
    .openapi(add, async (c) => {
      const { companyId } = actorOf(c);
      const { id: squadId } = c.req.valid('param');
      const member = await write(c, db, 201, async (tx, audit) => {
        const { userId, isLeader } = c.req.valid('json');
        await getSquad(tx, squadId);
        await requireColleague(tx, userId);
        const row = await addMember(tx, { companyId, squadId, userId, isLeader });
        const line = { action: 'squad.add_member', entityType: 'squad', entityId: squadId };
        await audit({ ...line, after: noted(row) });
        return show(row);
      });
      return c.json(member, 201);
    })
    .openapi(update, async (c) => {
      const { id, userId } = c.req.valid('param');
      const member = await write(c, db, 200, async (tx, audit) => {
        const before = await heldMember(tx, id, userId);
        const after = await updateMember(tx, before.id, c.req.valid('json'));
        const line = { action: 'squad.update_member', entityType: 'squad', entityId: id };
        await audit({ ...line, before: noted(before), after: noted(after) });
        return show(after);
      });
      return c.json(member, 200);
    })
    .openapi(remove, async (c) => {
      const { id, userId } = c.req.valid('param');
      await write(c, db, 204, async (tx, audit) => {
        const before = await heldMember(tx, id, userId);
        await removeMember(tx, before.id);
        const line = { action: 'squad.remove_member', entityType: 'squad', entityId: id };
        await audit({ ...line, before: noted(before) });
        return null;
      });
      return c.body(null, 204);
    });
}

/** Throws NOT_FOUND. */
async function heldMember(tx: TenantTx, squadId: string, userId: string): Promise<MemberRow> {
  const { id } = await getMember(tx, squadId, userId);
  return held(tx, 'squad_members', id, () => getMember(tx, squadId, userId));
}

/** Throws VALIDATION that points at the field, where NOT_FOUND would seem to be about the squad. */
async function requireColleague(tx: TenantTx, userId: string): Promise<void> {
  try {
    await getUser(tx, userId);
  } catch (error) {
    if (!(error instanceof RegenteError) || error.code !== 'NOT_FOUND') throw error;
    throw new RegenteError('VALIDATION', 'There is no user with this id.', {
      fields: [{ pointer: '/userId', detail: 'is not a user of the company' }],
      cause: error,
    });
  }
}
