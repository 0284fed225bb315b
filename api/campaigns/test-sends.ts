import { setTimeout as sleep } from 'node:timers/promises';
import { z } from '@hono/zod-openapi';
import { MAX_TEST_SENDS } from '../../domain/campaign-test-sends';
import { TestSendInput } from '../../domain/campaigns.schema';
import { RECIPIENT_STATES } from '../../domain/communications';
import {
  openTestSend,
  readTestSend,
  type TestSend as TestSendRead,
} from '../../prisma/campaigns/test-sends';
import { withTenant } from '../../prisma/tenant';
import { actorOf, type ApiDeps } from '../context';
import { createRouter, defineRoute, IdParam, json, jsonBody, MAY_BE_ARCHIVED } from '../routes';
import { write } from '../write';
import { iso } from './show';
import { tags } from './verbs';

const TestSend = z
  .object({
    id: z.uuid(),
    to: z.string(),
    state: z.enum(RECIPIENT_STATES),
    reason: z.string().nullable(),
    providerMessageId: z.string().nullable(),
    cost: z.string(),
    sentAt: z.iso.datetime().nullable(),
    ended: z.boolean(),
  })
  .openapi('TestSend');

const show = (send: TestSendRead): z.infer<typeof TestSend> => ({
  ...send,
  sentAt: iso(send.sentAt),
});

const testSend = defineRoute('campaigns:write', {
  method: 'post',
  path: '/{id}/test-send',
  tags,
  operationId: 'sendTest',
  summary: 'Send one test message',
  description:
    `Sends the campaign’s own text to one address at once, paid and written down as a test: in 24 hours at most ${MAX_TEST_SENDS.campaign} times for a campaign, and ` +
    `${MAX_TEST_SENDS.person} times for a person, over all campaigns and API keys of theirs. Schedule, window, pace and frequency cap of the campaign are left out; ` +
    'budget, quiet hours, blocklist and opt-outs are not.',
  request: { params: IdParam, body: jsonBody(TestSendInput) },
  responses: {
    200: json(TestSend, 'What became of it'),
    202: json(TestSend, 'Still under way; ask `/test-sends/{testId}`'),
  },
});
const get = defineRoute('campaigns:read', {
  method: 'get',
  path: '/{id}/test-sends/{testId}',
  tags,
  operationId: 'getTestSend',
  summary: 'Show a test message',
  request: { params: IdParam.extend({ testId: z.uuid() }) },
  responses: { 200: json(TestSend, 'What became of it'), ...MAY_BE_ARCHIVED },
});

const WAIT_MS = 10_000;
const POLL_MS = 100;

export function testSendRoutes({ db, engine }: ApiDeps) {
  return createRouter()
    .openapi(testSend, async (c) => {
      const actor = actorOf(c);
      const { id } = c.req.valid('param');
      const { to, recipient } = c.req.valid('json');
      const read = (executionId: string) =>
        withTenant(db, actor.companyId, (tx) => readTestSend(tx, actor, id, executionId));
      // A repetition is answered with the beginning, and finds the end under the id.
      let send = await write(c, db, 202, async (tx, audit) => {
        const executionId = await openTestSend(tx, actor, id, { to, recipient });
        const entity = { entityType: 'campaign', entityId: id };
        await audit({ action: 'campaign.test_send', ...entity, after: { executionId, to } });
        return show(await readTestSend(tx, actor, id, executionId));
      });
      engine.nudge();
      for (const end = Date.now() + WAIT_MS; !send.ended && Date.now() < end;) {
        await sleep(POLL_MS);
        send = show(await read(send.id));
      }
      return c.json(send, send.ended ? 200 : 202);
    })
    .openapi(get, async (c) => {
      const actor = actorOf(c);
      const { id, testId } = c.req.valid('param');
      const send = await withTenant(db, actor.companyId, (tx) =>
        readTestSend(tx, actor, id, testId),
      );
      return c.json(show(send), 200);
    });
}
