// Started by the relay (api/relay.ts) when an invitation or a password reset was asked for; ended when its e-mail has
// been handed to the provider or given up. Lives for seconds, for hours while the provider is down, and for eight
// days at the most. One activity with retries, so the history stays at a handful of events.
import { proxyActivities } from '@temporalio/workflow';
import type { createNoticeActivities } from '../activities/notices';
import { NOTICE } from './activity-profiles';

export interface NoticeSendInput {
  companyId: string;
  tokenId: string;
}

export const noticeSendId = (tokenId: string): string => `notice-send:${tokenId}`;

const { sendNotice } = proxyActivities<ReturnType<typeof createNoticeActivities>>(NOTICE);

export async function noticeSend(input: NoticeSendInput): Promise<string> {
  const { outcome } = await sendNotice(input);
  return outcome;
}
