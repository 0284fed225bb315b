import type { ApiDeps } from '../context';
import { createRouter } from '../routes';
import { approvalRoutes } from './approvals';
import { controlRoutes } from './control';
import { draftRoutes } from './drafts';
import { eventRoutes } from './events';
import { repeatRoutes } from './repeats';
import { reportRoutes } from './reports';
import { testSendRoutes } from './test-sends';
import { unknownRoutes } from './unknowns';

/** Everything below `/v1/campaigns` but the audience. */
export function campaignRoutes(deps: ApiDeps) {
  return createRouter()
    .route('/', draftRoutes(deps))
    .route('/', approvalRoutes(deps))
    .route('/', controlRoutes(deps))
    .route('/', repeatRoutes(deps))
    .route('/', unknownRoutes(deps))
    .route('/', testSendRoutes(deps))
    .route('/', reportRoutes(deps))
    .route('/', eventRoutes(deps));
}
