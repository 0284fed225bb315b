import { requireStatus } from '../domain/users';
import { PasswordResetConfirmation, PasswordResetRequest } from '../domain/passwords.schema';
import { recordAudit, type AuditActor } from '../prisma/audit-logs';
import { endSessions, lookupLogin } from '../prisma/sessions';
import { withTenant } from '../prisma/tenant';
import { getUser, lockUser, setPassword } from '../prisma/users';
import { consumeToken, issueToken, lookupToken, retireTokens } from '../prisma/verification-tokens';
import { afterAnswering } from './background';
import type { ApiDeps } from './context';
import { badToken } from './invitations';
import { countPasswordReset } from './login-limits';
import { hashPassword, refuseWeakPassword } from './passwords';
import { createRouter, defineRoute, jsonBody } from './routes';
import { auditAs } from './write';

const tags = ['Password resets'];

const request = defineRoute('anyone', {
  method: 'post',
  path: '/',
  tags,
  operationId: 'requestPasswordReset',
  summary: 'Ask for a link to choose a new password',
  description:
    'Sends a link to the e-mail address if it has an account; the answer does not say. Where account mail is not configured none is sent until it is.',
  request: { body: jsonBody(PasswordResetRequest) },
  responses: { 202: { description: 'Taken' } },
});
const confirm = defineRoute('anyone', {
  method: 'post',
  path: '/confirm',
  tags,
  operationId: 'confirmPasswordReset',
  summary: 'Choose a new password with the link',
  request: { body: jsonBody(PasswordResetConfirmation) },
  responses: { 204: { description: 'Changed; every session of the person has ended' } },
});

export function passwordResetRoutes(deps: ApiDeps) {
  const { db, logger } = deps;
  return createRouter()
    .openapi(request, async (c) => {
      const { email } = c.req.valid('json');
      if (await countPasswordReset(db, { email, ipAddress: c.get('ipAddress') })) {
        const actor = auditAs(c, 'system', null);
        afterAnswering(logger, 'a password reset', () => sendLink(deps, actor, email));
      }
      return c.body(null, 202);
    })
    .openapi(confirm, async (c) => {
      const { token, password } = c.req.valid('json');
      const owner = await lookupToken(db, token, 'password_reset');
      if (owner === undefined) throw badToken();
      const { tokenId, companyId, userId } = owner;
      const { email } = await withTenant(db, companyId, (tx) => getUser(tx, userId));
      refuseWeakPassword(password, email, '/password');
      const passwordHash = await hashPassword(password);
      await withTenant(db, companyId, async (tx) => {
        const user = await lockUser(tx, userId);
        if (!(await consumeToken(tx, tokenId))) throw badToken();
        requireStatus(user.status, 'setPassword');
        await setPassword(tx, userId, passwordHash);
        await retireTokens(tx, userId);
        const after = { endedSessions: await endSessions(tx, userId) };
        const line = { action: 'user.password_reset', entityType: 'user', entityId: userId };
        await recordAudit(tx, companyId, auditAs(c, 'user', userId), { ...line, after });
      });
      return c.body(null, 204);
    });
}

async function sendLink(
  { db, encryption, engine }: ApiDeps,
  actor: AuditActor,
  email: string,
): Promise<void> {
  const account = await lookupLogin(db, email);
  if (account === undefined || account.status !== 'ACTIVE') return;
  const { id: userId, companyId } = account;
  await withTenant(db, companyId, async (tx) => {
    const { status } = await lockUser(tx, userId);
    if (status !== 'ACTIVE') return;
    const owner = { companyId, userId, purpose: 'password_reset' as const };
    const { expiresAt } = await issueToken(tx, owner, encryption);
    const line = { action: 'user.password_reset_request', entityType: 'user', entityId: userId };
    await recordAudit(tx, companyId, actor, { ...line, after: { expiresAt } });
  });
  engine.nudge();
}
