import { ApplicationFailure } from '@temporalio/common';
import type { ErrorCode, RegenteError } from '../domain/errors';

/** Codes that no retry can mend. */
const PERMANENT: ReadonlySet<ErrorCode> = new Set([
  'VALIDATION',
  'FORBIDDEN',
  'NOT_FOUND',
  'CONFLICT',
  'ARCHIVED',
  'CONFIGURATION',
]);

/** The one map from our errors to the engine's: the failure's `type` is our code, and workflows branch on nothing else. */
export function toApplicationFailure(error: RegenteError): ApplicationFailure {
  return ApplicationFailure.create({
    message: error.message,
    type: error.code,
    nonRetryable: PERMANENT.has(error.code),
    cause: error,
    ...(error.retryAfterMs === undefined ? {} : { nextRetryDelay: error.retryAfterMs }),
  });
}
