import { setTimeout as sleep } from 'node:timers/promises';
import { ReasonInput } from '../../domain/campaigns.schema';
import {
  controlCampaign,
  finishPause,
  readState,
  waitForSilence,
  type Controlled,
} from '../../prisma/campaigns/control';
import { withTenant } from '../../prisma/tenant';
import { actorOf, type ApiDeps, type AppContext } from '../context';
import { createRouter, defineRoute, IdParam, json, optionalBody } from '../routes';
import { auditIn, write } from '../write';
import { auditVerb, StateAnswer, tags } from './verbs';

/** No mark outlives its lease of at most four seconds, so this is always enough while the database answers. */
const PAUSE_WAIT_MS = 6_000;

const request = { params: IdParam, body: optionalBody(ReasonInput) };

const pause = defineRoute(
  'campaigns:control',
  {
    method: 'post',
    path: '/{id}/pause',
    tags,
    operationId: 'pauseCampaign',
    summary: 'Pause a campaign',
    description:
      'Answers 200 once it is PAUSED: from then on no call of this campaign begins. Works with no worker alive. ' +
      'A 202 says that a call may still begin; asking again, also with the same Idempotency-Key, waits for the same ' +
      'pause, and of a paused campaign is answered so; one that was resumed meanwhile is paused anew.',
    request,
    responses: {
      200: json(StateAnswer, 'PAUSED'),
      202: json(StateAnswer, 'PAUSING: a call may still begin'),
    },
  },
  { urgent: true },
);
const resume = defineRoute('campaigns:control', {
  method: 'post',
  path: '/{id}/resume',
  tags,
  operationId: 'resumeCampaign',
  summary: 'Resume a paused campaign',
  description: 'Goes on where it was paused. Whoever is not reached before sendUntil is skipped.',
  request,
  responses: { 200: json(StateAnswer, 'The new state') },
});
const cancel = defineRoute(
  'campaigns:control',
  {
    method: 'post',
    path: '/{id}/cancel',
    tags,
    operationId: 'cancelCampaign',
    summary: 'Cancel a campaign',
    description: 'Final. People who have not been reached are cancelled.',
    request,
    responses: { 202: json(StateAnswer, 'CANCELLING') },
  },
  { urgent: true },
);

export function controlRoutes(deps: ApiDeps) {
  const { db, engine } = deps;

  const change = async (
    c: AppContext,
    id: string,
    verb: 'resume' | 'cancel',
    reason: string | null,
  ) => {
    const answer = await write(c, db, verb === 'cancel' ? 202 : 200, async (tx, audit) => {
      const controlled = await controlCampaign(tx, actorOf(c), id, { verb, reason });
      await auditVerb(audit, verb, id, { ...controlled, reason });
      return { id, state: controlled.after, executionId: controlled.executionId };
    });
    engine.nudge();
    return answer;
  };

  return createRouter()
    .openapi(pause, async (c) => {
      const { id } = c.req.valid('param');
      const { reason = null } = c.req.valid('json');
      const begun = await beginPause(c, deps, id, reason);
      engine.nudge();
      await endPause(c, deps, begun);
      const { companyId } = actorOf(c);
      const now = await withTenant(db, companyId, (tx) => readState(tx, id));
      // Not remembered: whoever asks again, with the same key too, waits for the same pause.
      if (now.state === 'PAUSING') return c.json(now, 202);
      // Somebody may have cancelled it meanwhile.
      const status = now.state === 'CANCELLING' || now.state === 'FAILING' ? 202 : 200;
      // Remembered last, so that a repetition is answered with what the first one came to.
      const answer = await write(c, db, status, () => Promise.resolve(now));
      return c.json(answer, status);
    })
    .openapi(resume, async (c) => {
      const { reason = null } = c.req.valid('json');
      return c.json(await change(c, c.req.valid('param').id, 'resume', reason), 200);
    })
    .openapi(cancel, async (c) => {
      const { reason = null } = c.req.valid('json');
      return c.json(await change(c, c.req.valid('param').id, 'cancel', reason), 202);
    });
}

async function beginPause(
  c: AppContext,
  { db }: ApiDeps,
  id: string,
  reason: string | null,
): Promise<Controlled> {
  const actor = actorOf(c);
  const { companyId } = actor;
  return withTenant(db, companyId, async (tx) => {
    const controlled = await controlCampaign(tx, actor, id, { verb: 'pause', reason });
    if (controlled.before !== controlled.after)
      await auditVerb(auditIn(c, tx), 'pause', id, { ...controlled, reason });
    return controlled;
  });
}

/** Waits for the silence and makes it PAUSED, unless the workflow or a person has moved it meanwhile. */
async function endPause(c: AppContext, { db, engine }: ApiDeps, begun: Controlled): Promise<void> {
  const { companyId } = actorOf(c);
  const pauseFor = (ms: number): Promise<void> => sleep(ms);
  const silent = await waitForSilence(db, companyId, begun.executionId, PAUSE_WAIT_MS, pauseFor);
  if (!silent) return;
  await withTenant(db, companyId, async (tx) => {
    const paused = await finishPause(tx, begun);
    if (paused === undefined) return;
    const { campaignId } = paused;
    await auditVerb(auditIn(c, tx), 'paused', campaignId, { before: 'PAUSING', after: 'PAUSED' });
  });
  engine.nudge();
}
