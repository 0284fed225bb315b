import { ApplicationFailure } from '@temporalio/common';
import { RegenteError, type ErrorCode } from '../domain/errors';
import { fromDatabase, withoutDriverTexts } from '../prisma/errors';

/** Codes that no retry can mend. */
const PERMANENT: ReadonlySet<ErrorCode> = new Set([
  'VALIDATION',
  'FORBIDDEN',
  'NOT_FOUND',
  'CONFLICT',
  'ARCHIVED',
  'CONFIGURATION',
]);

/**
 * The one map from what an activity throws to what the engine keeps: the failure's `type` is our code, and workflows
 * branch on nothing else. A failure lies in the history, so it says nothing of what database and drivers put into texts.
 */
export function toFailure(thrown: unknown): unknown {
  const error = fromDatabase(thrown);
  const cause = withoutDriverTexts(error);
  if (!(error instanceof RegenteError)) return cause;
  return ApplicationFailure.create({
    message: error.message,
    type: error.code,
    nonRetryable: PERMANENT.has(error.code),
    cause: cause instanceof Error ? cause : undefined,
    ...(error.retryAfterMs === undefined ? {} : { nextRetryDelay: error.retryAfterMs }),
  });
}
