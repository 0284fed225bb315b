import type { ApiDeps } from '../context';
import { createRouter } from '../routes';
import { approvalRoutes } from './approvals';
import { draftRoutes } from './drafts';
import { eventRoutes } from './events';
import { repeatRoutes } from './repeats';
import { reportRoutes } from './reports';
import { testSendRoutes } from './test-sends';
import { controlRoutes } from './verbs';

export function campaignRoutes(deps: ApiDeps) {
  return createRouter()
    .route('/', draftRoutes(deps))
    .route('/', approvalRoutes(deps))
    .route('/', controlRoutes(deps))
    .route('/', repeatRoutes(deps))
    .route('/', testSendRoutes(deps))
    .route('/', reportRoutes(deps))
    .route('/', eventRoutes(deps));
}
