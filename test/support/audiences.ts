import { withTenant } from '../../prisma/tenant';
import type { CampaignRecipient } from '../../prisma/generated/client';
import { startTestApi, type Answer, type TestApi, type TestTenant } from './api';
import { createMeans, ok, type Means, type MeansOptions } from './campaigns';
import { query } from './database';

/** An API with a company that has the means for campaigns. */
export interface AudienceDesk {
  api: TestApi;
  tenant: TestTenant;
  means: Means;
  /** A draft of the agent; its message asks for nothing unless `fields` say otherwise. */
  draft(fields?: Record<string, unknown>): Promise<string>;
  /** Uploads as the agent. */
  put(id: string, file: string | Uint8Array, options?: PutOptions): Promise<Answer>;
  get(id: string, path?: string): Promise<Answer>;
  /** The people of the campaign's audience, by position. */
  people(id: string): Promise<CampaignRecipient[]>;
  /** Rows of this campaign's audiences, of all of them: what is left behind is counted as well. */
  rowsLeft(id: string): Promise<{ audiences: number; recipients: number; rejects: number }>;
  close(): Promise<void>;
}

export interface PutOptions {
  /** With the question mark. */
  query?: string;
  headers?: Record<string, string>;
  as?: { token: string };
}

export async function openAudienceDesk(
  env: Record<string, string> = {},
  options: MeansOptions = {},
): Promise<AudienceDesk> {
  const api = await startTestApi({ env });
  const tenant = api.first;
  const means = await createMeans(api.deps.db, tenant.companyId, options);
  const campaign = async (id: string) =>
    withTenant(api.deps.db, tenant.companyId, (tx) =>
      tx.campaign.findUniqueOrThrow({ where: { id } }),
    );
  return {
    api,
    tenant,
    means,
    async draft(fields = {}) {
      const { walletId, brokerId } = means;
      const body = { name: 'Acordo', baseMessage: 'Bom dia', walletId, brokerId, ...fields };
      return (await ok(api.request('POST', '/v1/campaigns', { as: tenant.agent, body }))).id;
    },
    put: (id, file, { query = '', headers = {}, as = tenant.agent } = {}) =>
      api.request('PUT', `/v1/campaigns/${id}/audience${query}`, {
        as,
        body: file,
        headers: { 'content-type': 'text/csv', ...headers },
      }),
    get: (id, path = '') =>
      api.request('GET', `/v1/campaigns/${id}/audience${path}`, { as: tenant.agent }),
    async people(id) {
      const { audienceId } = await campaign(id);
      return withTenant(api.deps.db, tenant.companyId, (tx) =>
        tx.campaignRecipient.findMany({
          where: { audienceId: audienceId ?? '' },
          orderBy: { position: 'asc' },
        }),
      );
    },
    async rowsLeft(id) {
      const [row] = await query<{ audiences: number; recipients: number; rejects: number }>(
        api.database.adminUrl,
        `WITH a AS (SELECT id FROM audiences WHERE campaign_id = $1)
         SELECT (SELECT count(*)::int FROM a) AS audiences,
           (SELECT count(*)::int FROM campaign_recipients WHERE audience_id IN (SELECT id FROM a)) AS recipients,
           (SELECT count(*)::int FROM audience_rejects WHERE audience_id IN (SELECT id FROM a)) AS rejects`,
        [id],
      );
      return row!;
    },
    close: () => api.close(),
  };
}

/** A file of this many people whose numbers begin at `first`. */
export function csvOf(people: number, first = 0): string {
  const rows = Array.from({ length: people }, (_, index) => personLine(first + index));
  return `telefone;nome;valor\n${rows.join('')}`;
}

export const personLine = (index: number): string => `${phoneOf(index)};Pessoa ${index};R$ 10\n`;
export const phoneOf = (index: number): string => `119${String(10_000_000 + index)}`;
