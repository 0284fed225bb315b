import { createCampaignActivities } from './campaigns';
import type { DispatchDeps } from './dispatch/turn';
import { createNoticeActivities, type NoticeDeps } from './notices';

export interface ActivityDeps {
  dispatch: DispatchDeps;
  notices: NoticeDeps;
}

type CampaignActivities = ReturnType<typeof createCampaignActivities>;
type NoticeActivities = ReturnType<typeof createNoticeActivities>;

/** Every activity of the worker. A name given twice does not compile, nor does one that is left out. */
export function createActivities(deps: ActivityDeps): CampaignActivities & NoticeActivities {
  // Named one by one: a spread of both would let the second quietly take the place of the first.
  const {
    readExecutionStatus,
    startExecution,
    dispatchLane,
    finishPause,
    finishCancel,
    finishExecution,
  } = createCampaignActivities(deps.dispatch);
  const { sendNotice } = createNoticeActivities(deps.notices);
  return {
    readExecutionStatus,
    startExecution,
    dispatchLane,
    finishPause,
    finishCancel,
    finishExecution,
    sendNotice,
  };
}
