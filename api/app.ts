import { getConnInfo } from '@hono/node-server/conninfo';
import { OpenAPIHono } from '@hono/zod-openapi';
import { createMiddleware } from 'hono/factory';
import { secureHeaders } from 'hono/secure-headers';
import { accountPages } from './account-pages';
import { apiKeyRoutes } from './api-keys';
import { audienceRoutes } from './audience/routes';
import { auditLogRoutes } from './audit-logs';
import { authenticate } from './auth';
import { blocklistRoutes } from './blocklist';
import { brokerRoutes } from './brokers';
import { budgetRoutes } from './budgets';
import { companiesRoutes, companyRoutes } from './companies';
import { campaignRoutes } from './campaigns';
import type { ApiDeps, AppEnv } from './context';
import { credentialRoutes } from './credentials';
import { docsRoutes } from './docs';
import { answerError } from './errors';
import { fishRoutes } from './fish';
import { healthRoutes } from './health';
import { invitationRoutes } from './invitations';
import { meRoutes } from './me';
import { optOutRoutes } from './opt-outs';
import { passwordResetRoutes } from './password-resets';
import { logRequests, requestIdOf } from './request-log';
import { sessionRoutes } from './sessions';
import { spendingRoutes } from './spending';
import { squadMemberRoutes } from './squad-members';
import { squadRoutes } from './squads';
import { templateRoutes } from './templates';
import { explainUnrouted } from './unrouted';
import { userRoutes } from './users';
import { walletRoutes } from './wallets';
import type { WebhookReceiver } from './webhooks/receiver';
import { webhookRoutes } from './webhooks/routes';

/** The whole HTTP surface at a glance. */
export function createApp(deps: ApiDeps, webhooks: WebhookReceiver): OpenAPIHono<AppEnv> {
  const app = new OpenAPIHono<AppEnv>();
  app.onError((error, c) => answerError(error, c, deps.logger));

  app.use(secureHeaders(), requestFacts(deps), logRequests(deps.logger));
  app.route('/', healthRoutes(deps));
  // Vendors prove themselves by their signature, and send as much as the campaigns make them.
  app.route('/v1/webhooks', webhookRoutes(webhooks));
  app.use('/v1/*', authenticate(deps));
  app.route('/v1/sessions', sessionRoutes(deps));
  app.route('/v1/invitations', invitationRoutes(deps));
  app.route('/v1/password-resets', passwordResetRoutes(deps));
  app.route('/v1/me', meRoutes(deps));
  app.route('/v1/company', companyRoutes(deps));
  app.route('/v1/companies', companiesRoutes(deps));
  app.route('/v1/users', userRoutes(deps));
  app.route('/v1/squads', squadRoutes(deps));
  app.route('/v1/squads', squadMemberRoutes(deps));
  app.route('/v1/api-keys', apiKeyRoutes(deps));
  app.route('/v1/audit-logs', auditLogRoutes(deps));
  app.route('/v1/wallets', walletRoutes(deps));
  app.route('/v1/brokers', brokerRoutes(deps));
  app.route('/v1/credentials', credentialRoutes(deps));
  app.route('/v1/budgets', budgetRoutes(deps));
  app.route('/v1/reports', spendingRoutes(deps));
  app.route('/v1/templates', templateRoutes(deps));
  app.route('/v1/blocklist', blocklistRoutes(deps));
  app.route('/v1/fish', fishRoutes(deps));
  app.route('/v1/opt-outs', optOutRoutes(deps));
  app.route('/v1/campaigns', campaignRoutes(deps));
  app.route('/v1/campaigns', audienceRoutes(deps));

  app.openAPIRegistry.registerComponent('securitySchemes', 'bearer', {
    type: 'http',
    scheme: 'bearer',
  });
  app.route('/conta', accountPages());
  app.route('/', docsRoutes(app));
  const explain = explainUnrouted(app);
  app.notFound((c) => answerError(explain(c), c, deps.logger));
  return app;
}

/** Request id, caller's address, and what is needed everywhere, for everything that comes after. */
function requestFacts({ config, db, encryption, logger }: ApiDeps) {
  return createMiddleware<AppEnv>(async (c, next) => {
    const requestId = requestIdOf(c.req.header('x-request-id'));
    c.set('requestId', requestId);
    c.set('ipAddress', callerAddress(c, config.TRUST_PROXY));
    c.set('db', db);
    c.set('encryption', encryption);
    c.set('logger', logger);
    c.header('X-Request-Id', requestId);
    await next();
  });
}

function callerAddress(c: Parameters<typeof getConnInfo>[0], trustProxy: boolean): string {
  const forwarded = trustProxy
    ? c.req.header('x-forwarded-for')?.split(',').at(-1)?.trim()
    : undefined;
  if (forwarded !== undefined && forwarded !== '') return forwarded;
  try {
    return getConnInfo(c).remote.address ?? 'unknown';
  } catch {
    // `app.request` in tests has no socket.
    return 'unknown';
  }
}
