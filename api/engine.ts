import type { Client } from '@temporalio/client';

/** The engine as the API sees it; `null` until it has answered once. */
export interface Engine {
  /** Throws RegenteError('UNAVAILABLE') while the engine does not answer. */
  client(): Promise<Client>;
  /** Whether it answers right now. */
  ready(): Promise<boolean>;
  /** Tells a workflow to look again after a change in PostgreSQL; never throws, for the outbox tells it again. */
  nudge(): void;
}
