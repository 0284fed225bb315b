import { z } from '@hono/zod-openapi';
import { RegenteError } from '../domain/errors';
import { PERMISSIONS } from '../domain/permissions';
import { PasswordChange } from '../domain/passwords.schema';
import { requireStatus } from '../domain/users';
import { getApiKey } from '../prisma/api-keys';
import { getCompany } from '../prisma/companies';
import { endSessions } from '../prisma/sessions';
import { withTenant } from '../prisma/tenant';
import { getUser, lockUser, setPassword } from '../prisma/users';
import { retireTokens } from '../prisma/verification-tokens';
import { actorOf, userOf, type ApiDeps } from './context';
import { countPasswordCheck } from './login-limits';
import { hashPassword, refuseWeakPassword, verifyPassword } from './passwords';
import { createRouter, defineRoute, json, jsonBody } from './routes';
import { showUser, User } from './users/answer';
import { write } from './write';

const Me = z
  .object({
    type: z.enum(['user', 'key']),
    user: User.nullable(),
    key: z.object({ id: z.uuid(), name: z.string(), prefix: z.string() }).nullable(),
    company: z
      .object({
        id: z.uuid(),
        name: z.string(),
        slug: z.string(),
        timeZone: z.string(),
        currency: z.string(),
      })
      .describe('The company that is acted in.'),
    permissions: z.array(z.enum(PERMISSIONS)),
  })
  .openapi('Me');

const tags = ['Me'];
const me = defineRoute('logged-in', {
  method: 'get',
  path: '/',
  tags,
  operationId: 'getMe',
  summary: 'Show who asks',
  responses: { 200: json(Me, 'Who you are and what you may do') },
});
const password = defineRoute('self', {
  method: 'post',
  path: '/password',
  tags,
  operationId: 'changePassword',
  summary: 'Change your password',
  request: { body: jsonBody(PasswordChange) },
  responses: { 204: { description: 'Changed; your other sessions have ended' } },
});

export function meRoutes({ db }: ApiDeps) {
  return createRouter()
    .openapi(me, async (c) => {
      const actor = actorOf(c);
      const { company, key } = await withTenant(db, actor.companyId, async (tx) => ({
        company: await getCompany(tx),
        key: actor.type === 'key' ? await getApiKey(tx, actor.id) : null,
      }));
      const user =
        actor.type === 'user'
          ? await withTenant(db, actor.homeCompanyId, (tx) => getUser(tx, actor.id))
          : null;
      const { id, name, slug, timeZone, currency } = company;
      return c.json(
        {
          type: actor.type,
          user: user === null ? null : showUser(user),
          key: key === null ? null : { id: key.id, name: key.name, prefix: key.prefix },
          company: { id, name, slug, timeZone, currency },
          permissions: [...actor.permissions],
        },
        200,
      );
    })
    .openapi(password, async (c) => {
      const { id, companyId, sessionId } = userOf(c);
      const { currentPassword, newPassword } = c.req.valid('json');
      const attempt = await countPasswordCheck(db, id);
      const user = await withTenant(db, companyId, (tx) => getUser(tx, id));
      if (!(await verifyPassword(user.passwordHash, currentPassword))) throw wrongPassword();
      await attempt.forgive();
      if (newPassword === currentPassword) throw samePassword();
      refuseWeakPassword(newPassword, user.email, '/newPassword');
      const passwordHash = await hashPassword(newPassword);
      await write(c, db, 204, async (tx, audit) => {
        const before = await lockUser(tx, id);
        if (before.passwordHash !== user.passwordHash) throw wrongPassword();
        requireStatus(before.status, 'setPassword');
        await setPassword(tx, id, passwordHash);
        await retireTokens(tx, id);
        const endedSessions = await endSessions(tx, id, sessionId);
        await audit({
          action: 'user.password_change',
          entityType: 'user',
          entityId: id,
          after: { endedSessions },
        });
        return null;
      });
      return c.body(null, 204);
    });
}

const wrongPassword = (): RegenteError =>
  new RegenteError('VALIDATION', 'The current password is wrong.', {
    fields: [{ pointer: '/currentPassword', detail: 'is wrong' }],
  });

const samePassword = (): RegenteError =>
  new RegenteError('VALIDATION', 'The new password is the one that you have.', {
    fields: [{ pointer: '/newPassword', detail: 'is the present password' }],
  });
