import { refuseSelf, refuseSuperior, requireStatus, type UserEditor } from '../../domain/users';
import { revokeApiKeysOf } from '../../prisma/api-keys';
import { endSessions } from '../../prisma/sessions';
import type { TenantTx } from '../../prisma/tenant';
import { lockUser, refuseLastLeader, setUserStatus, type Person } from '../../prisma/users';
import { issueToken, retireTokens } from '../../prisma/verification-tokens';
import { actorOf, type ApiDeps } from '../context';
import { createRouter, defineRoute, IdParam, json } from '../routes';
import { write } from '../write';
import { Invitation, invitationMailOf, showUser, User } from './answer';
import { editorOf } from './edit';

const tags = ['Users'];
const request = { params: IdParam };
const one = { 200: json(User, 'The user') };

const deactivate = defineRoute('users:write', {
  method: 'post',
  path: '/{id}/deactivate',
  tags,
  operationId: 'deactivateUser',
  summary: 'Deactivate a user',
  description: 'Ends every session, token and API key of this person at once.',
  request,
  responses: one,
});
const activate = defineRoute('users:write', {
  method: 'post',
  path: '/{id}/activate',
  tags,
  operationId: 'activateUser',
  summary: 'Activate a user again',
  request,
  responses: one,
});
const invite = defineRoute('users:write', {
  method: 'post',
  path: '/{id}/invite',
  tags,
  operationId: 'inviteUser',
  summary: 'Send the invitation again',
  description: 'Sends the invitation again; earlier ones stop working.',
  request,
  responses: {
    202: json(Invitation, 'Until when it is good, and whether it is on its way'),
  },
});

export function lifecycleRoutes(deps: ApiDeps) {
  const { db, encryption, engine } = deps;
  return createRouter()
    .openapi(deactivate, async (c) => {
      const actor = actorOf(c);
      const { id } = c.req.valid('param');
      const user = await write(c, db, 200, async (tx, audit) => {
        const before = await lockUser(tx, id);
        const { after, ended } = await endAccess(tx, await editorOf(tx, actor), before);
        const line = { action: 'user.deactivate', entityType: 'user', entityId: id };
        await audit({ ...line, before, after: { ...after, ended } });
        return showUser(after);
      });
      return c.json(user, 200);
    })
    .openapi(activate, async (c) => {
      const actor = actorOf(c);
      const { id } = c.req.valid('param');
      const user = await write(c, db, 200, async (tx, audit) => {
        const before = await lockUser(tx, id);
        refuseSuperior(await editorOf(tx, actor), before);
        requireStatus(before.status, 'activate');
        const after = await setUserStatus(tx, id, 'ACTIVE');
        await audit({ action: 'user.activate', entityType: 'user', entityId: id, before, after });
        return showUser(after);
      });
      return c.json(user, 200);
    })
    .openapi(invite, async (c) => {
      const actor = actorOf(c);
      const { companyId } = actor;
      const { id } = c.req.valid('param');
      const answer = await write(c, db, 202, async (tx, audit) => {
        const user = await lockUser(tx, id);
        refuseSuperior(await editorOf(tx, actor), user);
        requireStatus(user.status, 'invite');
        const owner = { companyId, userId: id, purpose: 'invitation' as const };
        const { expiresAt } = await issueToken(tx, owner, encryption);
        const after = { expiresAt: expiresAt.toISOString() };
        await audit({ action: 'user.invite', entityType: 'user', entityId: id, after });
        return { ...after, invitationMail: invitationMailOf(deps) };
      });
      engine.nudge();
      return c.json(answer, 202);
    });
}

/** Makes a person INACTIVE, whose sessions, keys and tokens all end in the same transaction. */
async function endAccess(
  tx: TenantTx,
  editor: UserEditor,
  before: Person,
): Promise<{ after: Person; ended: { sessions: number; keys: number } }> {
  const { id } = before;
  refuseSuperior(editor, before);
  refuseSelf(editor, id, 'deactivates');
  requireStatus(before.status, 'deactivate');
  await refuseLastLeader(tx, before);
  const after = await setUserStatus(tx, id, 'INACTIVE');
  const ended = { sessions: await endSessions(tx, id), keys: await revokeApiKeysOf(tx, id) };
  await retireTokens(tx, id);
  return { after, ended };
}
