import { refuseHigherRole, refuseSuperior, requireStatus } from '../../domain/users';
import { UserFilter, UserInput, UserPatch } from '../../domain/users.schema';
import { withTenant } from '../../prisma/tenant';
import { createUser, deleteUser, getUser, listUsers, lockUser } from '../../prisma/users';
import { issueToken } from '../../prisma/verification-tokens';
import { actorOf, type ApiDeps } from '../context';
import { page, pageArgs, pageOf, PageQuery } from '../paging';
import { createRouter, defineRoute, IdParam, json, jsonBody } from '../routes';
import { write } from '../write';
import { InvitedUser, invitationMailOf, showUser, User } from './answer';
import { editorOf, editUser } from './edit';
import { lifecycleRoutes } from './lifecycle';

const tags = ['Users'];
const one = { 200: json(User, 'The user') };
const request = { params: IdParam };

const list = defineRoute('users:read', {
  method: 'get',
  path: '/',
  tags,
  operationId: 'listUsers',
  summary: 'List users',
  request: { query: PageQuery.extend(UserFilter.shape) },
  responses: { 200: json(pageOf(User), 'A page of users') },
});
const create = defineRoute('users:write', {
  method: 'post',
  path: '/',
  tags,
  operationId: 'createUser',
  summary: 'Create a user and send the invitation',
  request: { body: jsonBody(UserInput) },
  responses: { 201: json(InvitedUser, 'The new user, and whether the invitation is on its way') },
});
const get = defineRoute('users:read', {
  method: 'get',
  path: '/{id}',
  tags,
  operationId: 'getUser',
  summary: 'Show a user',
  request,
  responses: one,
});
const update = defineRoute('users:write', {
  method: 'patch',
  path: '/{id}',
  tags,
  operationId: 'updateUser',
  summary: 'Change a user',
  request: { params: IdParam, body: jsonBody(UserPatch) },
  responses: one,
});
const remove = defineRoute('users:write', {
  method: 'delete',
  path: '/{id}',
  tags,
  operationId: 'deleteUser',
  summary: 'Delete a user who never accepted',
  description: 'Only somebody who has not accepted the invitation; everybody else is deactivated.',
  request,
  responses: { 204: { description: 'Deleted' } },
});

export function userRoutes(deps: ApiDeps) {
  return createRouter().route('/', directoryRoutes(deps)).route('/', lifecycleRoutes(deps));
}

function directoryRoutes(deps: ApiDeps) {
  const { db, encryption, engine } = deps;
  return createRouter()
    .openapi(list, async (c) => {
      const { limit, cursor, ...filter } = c.req.valid('query');
      const rows = await withTenant(db, actorOf(c).companyId, (tx) =>
        listUsers(tx, filter, pageArgs({ limit, cursor })),
      );
      return c.json(page(rows, limit, showUser), 200);
    })
    .openapi(create, async (c) => {
      const actor = actorOf(c);
      const { companyId } = actor;
      const user = await write(c, db, 201, async (tx, audit) => {
        const input = c.req.valid('json');
        refuseHigherRole(await editorOf(tx, actor), input.role);
        const after = await createUser(tx, companyId, input);
        const owner = { companyId, userId: after.id, purpose: 'invitation' as const };
        await issueToken(tx, owner, encryption);
        await audit({ action: 'user.create', entityType: 'user', entityId: after.id, after });
        return { ...showUser(after), invitationMail: invitationMailOf(deps) };
      });
      engine.nudge();
      return c.json(user, 201);
    })
    .openapi(get, async (c) => {
      const user = await withTenant(db, actorOf(c).companyId, (tx) =>
        getUser(tx, c.req.valid('param').id),
      );
      return c.json(showUser(user), 200);
    })
    .openapi(update, async (c) => {
      const actor = actorOf(c);
      const { id } = c.req.valid('param');
      const user = await write(c, db, 200, async (tx, audit) => {
        const before = await lockUser(tx, id);
        const editor = await editorOf(tx, actor);
        const { after, narrowedKeys } = await editUser(tx, editor, before, c.req.valid('json'));
        const line = { action: 'user.update', entityType: 'user', entityId: id, before };
        await audit({
          ...line,
          after: narrowedKeys.length > 0 ? { ...after, narrowedKeys } : after,
        });
        return showUser(after);
      });
      return c.json(user, 200);
    })
    .openapi(remove, async (c) => {
      const actor = actorOf(c);
      const { id } = c.req.valid('param');
      await write(c, db, 204, async (tx, audit) => {
        const before = await lockUser(tx, id);
        refuseSuperior(await editorOf(tx, actor), before);
        requireStatus(before.status, 'delete');
        await deleteUser(tx, id);
        await audit({ action: 'user.delete', entityType: 'user', entityId: id, before });
        return null;
      });
      return c.body(null, 204);
    });
}
