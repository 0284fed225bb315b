import { defineSearchAttributeKey } from '@temporalio/common';

/*
 * By which an operator finds a campaign in the engine's web interface. They are not encrypted there, so they hold ids
 * and a state only. The namespace has to know them (workers/search-attributes.ts) before a workflow may set them.
 */
export const COMPANY_ATTRIBUTE = defineSearchAttributeKey('RegenteCompany', 'KEYWORD');
export const CAMPAIGN_ATTRIBUTE = defineSearchAttributeKey('RegenteCampaign', 'KEYWORD');
export const STATE_ATTRIBUTE = defineSearchAttributeKey('RegenteState', 'KEYWORD');

/** What the namespace has to know. */
export const SEARCH_ATTRIBUTES = [COMPANY_ATTRIBUTE, CAMPAIGN_ATTRIBUTE, STATE_ATTRIBUTE].map(
  ({ name }) => name,
);
