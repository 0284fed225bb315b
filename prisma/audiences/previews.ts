import { createAssessor, type Verdict } from '../../domain/audience-assessment';
import { createComposer, type MessageFields } from '../../domain/campaign-messages';
import { getCampaign, type CampaignActor } from '../campaigns/scope';
import { channelOf, readSource } from '../campaigns/sources';
import { Prisma, type Broker } from '../generated/client';
import type { TenantTx } from '../tenant';
import { termsOf } from './terms';

/** How many people are looked at to find some who can be sent to. */
const LOOKED_AT = 2_000;
const PAGE_ROWS = 200;

export interface PreviewedRecipient {
  position: number;
  address: string;
  nome: string | null;
  text: string;
  verdict: Verdict;
}

export interface Preview {
  price: Broker['costPerMessage'];
  recipients: PreviewedRecipient[];
}

/** The first people of the audience who can be sent to, with their messages as they would be now. Throws NOT_FOUND. */
export async function previewRecipients(
  tx: TenantTx,
  actor: CampaignActor,
  campaignId: string,
  limit: number,
): Promise<Preview> {
  const source = await readSource(tx, await getCampaign(tx, actor, campaignId));
  const { audience, broker } = source;
  const price = broker.costPerMessage;
  const recipients: PreviewedRecipient[] = [];
  if (audience === null) return { price, recipients };
  const terms = termsOf(source);
  const [compose, assess] = [createComposer(terms.message), createAssessor(terms)];
  const last = Math.min(audience.recipients, LOOKED_AT);
  for (let from = 0; from < last && recipients.length < limit; from += PAGE_ROWS) {
    const to = Math.min(from + PAGE_ROWS, last) - 1;
    for (const person of await readReachable(tx, audience.id, channelOf(source), [from, to])) {
      const composed = compose(person);
      if (!composed.ok || recipients.length >= limit) continue;
      const { position, address, nome } = person;
      recipients.push({ position, address, nome, text: composed.text, verdict: assess(person) });
    }
  }
  return { price, recipients };
}

/** Those of a range of positions whom neither the blocklist nor an opt-out keeps from being sent to. */
async function readReachable(
  tx: TenantTx,
  audienceId: string,
  channel: string,
  [from, to]: readonly [number, number],
): Promise<(MessageFields & { position: number })[]> {
  return tx.$queryRaw(Prisma.sql`
    SELECT r.position, r.address, r.nome, r.cpf_cnpj AS "cpfCnpj", r.idcob_contrato AS "idcobContrato",
        r.custom_message AS "customMessage", r.variables
      FROM campaign_recipients r
      WHERE r.audience_id = ${audienceId}::uuid AND r.position BETWEEN ${from} AND ${to}
        AND NOT EXISTS (SELECT FROM blocklist_entries b WHERE b.phone = r.phone)
        AND NOT EXISTS (SELECT FROM blocklist_entries b WHERE b.cpf_cnpj = r.cpf_cnpj)
        AND NOT EXISTS (SELECT FROM opt_outs o WHERE o.channel = ${channel} AND o.address = r.address)
      ORDER BY r.position`);
}
