import type { Logger } from '../telemetry';

/**
 * Does what an answer must not wait for: the time that it takes would tell whether an account exists. It is lost
 * when the process ends first, so it is only for what may be.
 */
export function afterAnswering(logger: Logger, what: string, work: () => Promise<unknown>): void {
  setImmediate(() => {
    work().catch((error: unknown) => logger.error({ err: error }, `${what} failed`));
  });
}
