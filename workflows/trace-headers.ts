// Carries the trace context of whoever started or last signalled a workflow on to its activities and children. It is
// only handed on: workflow code makes no spans, for it runs again at every replay.
import type { Headers, WorkflowInterceptorsFactory } from '@temporalio/workflow';

/** The same name as in requests. */
const TRACE_HEADER = 'traceparent';

export const interceptors: WorkflowInterceptorsFactory = () => {
  let known: Headers = {};
  const learn = ({ headers }: { headers: Headers }): void => {
    const context = headers[TRACE_HEADER];
    if (context !== undefined) known = { [TRACE_HEADER]: context };
  };
  const pass = <I extends { headers: Headers }, R>(input: I, next: (input: I) => R): R =>
    next({ ...input, headers: { ...known, ...input.headers } });
  return {
    inbound: [
      {
        execute(input, next) {
          learn(input);
          return next(input);
        },
        handleSignal(input, next) {
          learn(input);
          return next(input);
        },
      },
    ],
    outbound: [
      {
        scheduleActivity: pass,
        startChildWorkflowExecution: pass,
        signalWorkflow: pass,
        continueAsNew: pass,
      },
    ],
  };
};
