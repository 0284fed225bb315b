// The list of workflow types. The worker bundles this file; a name here is permanent.
export { campaignDispatch } from './campaign-dispatch';
export { campaignLane } from './campaign-lane';
export { noticeSend } from './notice-send';
