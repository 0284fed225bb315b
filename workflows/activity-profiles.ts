import type { ActivityOptions } from '@temporalio/workflow';
import { CORE_QUEUE, DELIVERY_QUEUE } from './task-queues';

/**
 * Retries for as long as it takes: PostgreSQL may be down for an hour and nobody may be lost for it. The first after half
 * a second, for most of what fails is a connection; never more than 15 seconds apart, so that work goes on soon after.
 */
const UNTIL_IT_WORKS = {
  initialInterval: '500ms',
  backoffCoefficient: 2,
  maximumInterval: '15s',
} as const;

/** Every activity heartbeats every two seconds; a worker that is silent for ten has died or is frozen. */
const SILENCE = '10 seconds';

/** A read or a state change: one transaction. The longest counts a ledger of millions, for which it has a minute. */
export const CONTROL: ActivityOptions = {
  taskQueue: CORE_QUEUE,
  startToCloseTimeout: '2 minutes',
  heartbeatTimeout: SILENCE,
  retry: UNTIL_IT_WORKS,
};

/** Work that calls a vendor, for seconds; minutes where the vendor is slow and what it said cannot be written down yet. */
export const DELIVERY: ActivityOptions = {
  taskQueue: DELIVERY_QUEUE,
  startToCloseTimeout: '10 minutes',
  heartbeatTimeout: SILENCE,
  retry: UNTIL_IT_WORKS,
};

/**
 * One e-mail with a token: worth trying for as long as the longest token is good, a week, and a little longer: the last
 * try finds that it has expired. A try is one call, of seconds; five minutes apart is often enough for somebody who waits
 * for it, and 2,400 tries at most.
 */
export const NOTICE: ActivityOptions = {
  taskQueue: CORE_QUEUE,
  startToCloseTimeout: '1 minute',
  scheduleToCloseTimeout: '8 days',
  retry: { initialInterval: '2s', backoffCoefficient: 2, maximumInterval: '5 minutes' },
};
