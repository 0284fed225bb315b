import type { ActivityOptions } from '@temporalio/workflow';
import { CORE_QUEUE, DELIVERY_QUEUE } from './task-queues';

/** Retries for as long as it takes: PostgreSQL may be down for an hour and nobody may be lost for it. */
const UNTIL_IT_WORKS = {
  initialInterval: '500ms',
  backoffCoefficient: 2,
  maximumInterval: '15s',
} as const;

/** Every activity heartbeats every two seconds; a worker that is silent for ten has died or is frozen. */
const SILENCE = '10 seconds';

/** A read or a state change: one transaction. */
export const CONTROL: ActivityOptions = {
  taskQueue: CORE_QUEUE,
  startToCloseTimeout: '2 minutes',
  heartbeatTimeout: SILENCE,
  retry: UNTIL_IT_WORKS,
};

/** Work that calls a vendor, for seconds. */
export const DELIVERY: ActivityOptions = {
  taskQueue: DELIVERY_QUEUE,
  startToCloseTimeout: '10 minutes',
  heartbeatTimeout: SILENCE,
  retry: UNTIL_IT_WORKS,
};

/** One e-mail with a token: worth trying for as long as the longest token is good. */
export const NOTICE: ActivityOptions = {
  taskQueue: CORE_QUEUE,
  startToCloseTimeout: '1 minute',
  scheduleToCloseTimeout: '7 days',
  retry: { initialInterval: '2s', backoffCoefficient: 2, maximumInterval: '5 minutes' },
};
