import { createCampaignActivities } from './campaigns';
import type { DispatchDeps } from './dispatch/turn';
import { createNoticeActivities, type NoticeDeps } from './notices';

export interface ActivityDeps {
  dispatch: DispatchDeps;
  notices: NoticeDeps;
}

/** Every activity of the worker, by name. A name given twice does not compile. */
export function createActivities({ dispatch, notices }: ActivityDeps) {
  return {
    ...createCampaignActivities(dispatch),
    ...createNoticeActivities(notices),
  };
}
