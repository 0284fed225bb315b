import { createCampaignActivities } from './campaigns';
import type { DispatchDeps } from './dispatch/turn';

/** Every activity of the worker, by name. A name given twice does not compile. */
export function createActivities(deps: DispatchDeps) {
  return {
    ...createCampaignActivities(deps),
  };
}
