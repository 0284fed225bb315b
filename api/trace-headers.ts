import { defaultPayloadConverter, type Headers } from '@temporalio/common';
import type { WorkflowClientInterceptor } from '@temporalio/client';
import { currentTraceParent, TRACE_HEADER } from '../telemetry/traces';

const withTrace = <I extends { headers: Headers }>(input: I): I => {
  const traceParent = currentTraceParent();
  if (traceParent === null) return input;
  const context = defaultPayloadConverter.toPayload(traceParent);
  return { ...input, headers: { ...input.headers, [TRACE_HEADER]: context } };
};

/** Hands the span that a workflow is started or signalled from on to it. */
export const traceHeaders: WorkflowClientInterceptor = {
  startWithDetails: (input, next) => next(withTrace(input)),
  signalWithStart: (input, next) => next(withTrace(input)),
};
