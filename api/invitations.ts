import { RegenteError } from '../domain/errors';
import { requireStatus } from '../domain/users';
import { InvitationAcceptance } from '../domain/users.schema';
import { recordAudit } from '../prisma/audit-logs';
import { withTenant } from '../prisma/tenant';
import { acceptInvitation, getUser, lockUser } from '../prisma/users';
import { consumeToken, lookupToken } from '../prisma/verification-tokens';
import type { ApiDeps } from './context';
import { hashPassword, refuseWeakPassword } from './passwords';
import { createRouter, defineRoute, jsonBody } from './routes';
import { auditAs } from './write';

const accept = defineRoute('anyone', {
  method: 'post',
  path: '/accept',
  tags: ['Invitations'],
  operationId: 'acceptInvitation',
  summary: 'Accept an invitation',
  description:
    'Accepts an invitation with the token of its e-mail; afterwards the person can log in.',
  request: { body: jsonBody(InvitationAcceptance) },
  responses: { 204: { description: 'Accepted' } },
});

export function invitationRoutes({ db }: ApiDeps) {
  return createRouter().openapi(accept, async (c) => {
    const { token, password, name } = c.req.valid('json');
    const owner = await lookupToken(db, token, 'invitation');
    if (owner === undefined) throw badToken();
    const { tokenId, companyId, userId } = owner;
    const { email } = await withTenant(db, companyId, (tx) => getUser(tx, userId));
    refuseWeakPassword(password, email, '/password');
    const passwordHash = await hashPassword(password);
    await withTenant(db, companyId, async (tx) => {
      const before = await lockUser(tx, userId);
      if (!(await consumeToken(tx, tokenId))) throw badToken();
      requireStatus(before.status, 'accept');
      const after = await acceptInvitation(tx, userId, { passwordHash, name });
      const line = { action: 'user.accept_invitation', entityType: 'user', entityId: userId };
      await recordAudit(tx, companyId, auditAs(c, 'user', userId), { ...line, before, after });
    });
    return c.body(null, 204);
  });
}

/** The same for every reason; whoever has a good token knows nothing of others. */
export const badToken = (): RegenteError =>
  new RegenteError(
    'VALIDATION',
    'This link is not valid, was used already or has expired; ask for a new one.',
    {
      fields: [{ pointer: '/token', detail: 'is not valid, was used or has expired' }],
    },
  );
