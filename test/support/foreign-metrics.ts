/**
 * What alerts and dashboard ask of others than us (Node, the engine's client), by name with the labels that are asked for.
 * test/operations.test.ts sees each of them answered.
 */
export const FOREIGN_LABELS: Readonly<Record<string, readonly string[]>> = {
  process_resident_memory_bytes: [],
  process_cpu_seconds_total: [],
  nodejs_eventloop_lag_p99_seconds: [],
  temporal_worker_task_slots_available: ['task_queue', 'worker_type'],
  temporal_activity_schedule_to_start_latency_seconds_bucket: ['task_queue', 'le'],
  temporal_activity_execution_failed_total: ['activity_type'],
  temporal_workflow_task_execution_failed_total: ['workflow_type'],
};
