import { canonicalJson } from '../domain/campaign-offers';
import { notFound } from '../domain/errors';
import { checkTemplate, type TemplateText } from '../domain/templates';
import type { TemplateFilter, TemplateInput, TemplatePatch } from '../domain/templates.schema';
import type { CampaignChange } from './campaigns';
import { dropSubmissions, holdTemplate } from './campaigns/submissions';
import { refuseInUse, unlessTaken } from './conflicts';
import { containing } from './filters';
import type { Template } from './generated/client';
import type { PageArgs } from './paging';
import type { TenantTx } from './tenant';

const TAKEN = {
  message: 'The company has a template with this templateCode already.',
  pointer: '/templateCode',
};

/** The text of a stored template, as `domain/templates` takes it. */
export function textOf({ content, variables }: Template): TemplateText {
  return { content, variables: variables as Record<string, string> };
}

export async function listTemplates(
  tx: TenantTx,
  filter: TemplateFilter,
  { after, ...page }: PageArgs,
): Promise<Template[]> {
  return tx.template.findMany({
    where: { ...after, name: containing(filter.text), templateCode: filter.templateCode },
    ...page,
  });
}

/** Throws NOT_FOUND; another company's template is not found either. */
export async function getTemplate(tx: TenantTx, id: string): Promise<Template> {
  const template = await tx.template.findUnique({ where: { id } });
  if (template === null) throw notFound('template');
  return template;
}

/** Throws VALIDATION where content and variables disagree, CONFLICT for a templateCode that the company has. */
export async function createTemplate(
  tx: TenantTx,
  companyId: string,
  input: TemplateInput,
): Promise<Template> {
  checkTemplate(input);
  return unlessTaken(tx.template.create({ data: { companyId, ...input } }), TAKEN);
}

export interface TemplateChange {
  before: Template;
  after: Template;
  /** Campaigns that waited for approval with another text than the template has now, and are drafts again. */
  dropped: CampaignChange[];
}

/**
 * Allowed at any time, also while campaigns use the template: what is approved or being sent keeps the text that was
 * approved. What waits for approval is a draft again, unless only the template's name was changed.
 * Throws NOT_FOUND, and as `createTemplate`.
 */
export async function updateTemplate(
  tx: TenantTx,
  id: string,
  input: TemplatePatch,
): Promise<TemplateChange> {
  await holdTemplate(tx, id);
  const before = await getTemplate(tx, id);
  checkTemplate({ ...textOf(before), ...input });
  const after = await unlessTaken(tx.template.update({ where: { id }, data: input }), TAKEN);
  const same = canonicalJson(messageOf(before)) === canonicalJson(messageOf(after));
  return { before, after, dropped: same ? [] : await dropSubmissions(tx, id) };
}

/** What a campaign takes from a template. */
const messageOf = (template: Template) => ({ code: template.templateCode, ...textOf(template) });

/** Throws CONFLICT while a campaign uses it. */
export async function deleteTemplate(tx: TenantTx, id: string): Promise<void> {
  refuseInUse('template', {
    campaigns: await tx.campaign.count({ where: { templateId: id } }),
  });
  await tx.template.delete({ where: { id } });
}
