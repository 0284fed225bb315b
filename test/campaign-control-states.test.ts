import {
  allowedFrom,
  CAMPAIGN_STATES,
  CAMPAIGN_VERBS,
  type CampaignState,
  type CampaignVerb,
} from '../domain/campaigns';
import { startTestApi, type TestApi } from './support/api';
import { ok, startCampaigner, type Campaigner } from './support/campaigns';
import { query } from './support/database';

let api: TestApi;
let own: Campaigner;
jest.setTimeout(30_000);
beforeAll(async () => {
  api = await startTestApi();
  own = await startCampaigner(api, api.first);
}, 120_000);
afterAll(() => api.close());

const sql = (text: string, values: unknown[]): Promise<Record<string, unknown>[]> =>
  query(api.database.adminUrl, text, values);
const stateOf = async (id: string): Promise<CampaignState> =>
  (await own.call('GET', `/${id}`, own.approver)).body.state;

describe('every verb in every state is done, or refused with the states that allow it', () => {
  const PATHS: Record<CampaignVerb, [string, string, unknown?]> = {
    edit: ['PATCH', '', { name: 'Outro nome' }],
    delete: ['DELETE', ''],
    submit: ['POST', '/submit'],
    approve: ['POST', '/approve'],
    reject: ['POST', '/reject', { reason: 'Texto errado' }],
    pause: ['POST', '/pause'],
    resume: ['POST', '/resume'],
    cancel: ['POST', '/cancel'],
    'retry-failed': ['POST', '/retry-failed'],
    'resolve-unknown': [
      'POST',
      '/unknown/resolve',
      { as: 'failed', reason: 'O fornecedor não tem' },
    ],
    'send-again': ['POST', '/unknown/resolve', { as: 'again', reason: 'O fornecedor não tem' }],
    clone: ['POST', '/clone'],
    'test-send': ['POST', '/test-send', { to: 'ninguém' }],
  };
  /** Where it is allowed: the answer, and the state that it leads to, null for the one that it was in. */
  const DONE: Record<CampaignVerb, [status: number, to: CampaignState | null]> = {
    edit: [200, 'DRAFT'],
    delete: [204, null],
    submit: [200, 'PENDING_APPROVAL'],
    approve: [200, 'APPROVED'],
    reject: [200, 'DRAFT'],
    pause: [200, 'PAUSED'],
    resume: [200, 'PROCESSING'],
    cancel: [202, 'CANCELLING'],
    // Refused for want of somebody who has failed, and not for the state.
    'retry-failed': [409, null],
    'resolve-unknown': [200, null],
    'send-again': [200, null],
    clone: [201, null],
    // Refused for its address.
    'test-send': [400, null],
  };

  /** A campaign in this state, as the system itself would have brought it there. */
  async function inState(state: CampaignState): Promise<string> {
    if (state === 'DRAFT') return own.draft();
    if (state === 'PENDING_APPROVAL') {
      const id = await own.draft();
      await ok(own.call('POST', `/${id}/submit`, own.tenant.director));
      return id;
    }
    const { id, executionId } = await own.approved();
    if (state === 'APPROVED') return id;
    const execution = 'UPDATE campaign_executions SET state = $2, started_at = now() WHERE id = $1';
    await sql(execution, [executionId, state]);
    await sql('UPDATE campaigns SET state = $2 WHERE id = $1', [id, state]);
    return id;
  }

  const cases = CAMPAIGN_VERBS.flatMap((verb) =>
    CAMPAIGN_STATES.map((state) => [verb, state] as const),
  );
  test.each(cases)('%s in %s', async (verb, state) => {
    const id = await inState(state);
    const [method, path, body] = PATHS[verb];
    const answer = await own.call(method, `/${id}${path}`, own.approver, body);
    if (allowedFrom(verb).includes(state)) {
      const [status, to] = DONE[verb];
      expect([answer.status, answer.body?.allowedFrom]).toEqual([status, undefined]);
      if (verb === 'retry-failed') expect(answer.body.detail).toMatch(/^Nobody has failed/);
      if (verb === 'delete')
        expect((await own.call('GET', `/${id}`, own.approver)).status).toBe(404);
      else expect(await stateOf(id)).toBe(to ?? state);
    } else {
      expect(answer.status).toBe(409);
      expect(answer.body).toMatchObject({
        code: 'CONFLICT',
        state,
        allowedFrom: [...allowedFrom(verb)],
      });
      expect(await stateOf(id)).toBe(state);
    }
  });
});
