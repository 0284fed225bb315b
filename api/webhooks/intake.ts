import type { Database } from '../../prisma/client';
import { storeEvents, type InboxEvent, type WebhookRoute } from '../../prisma/delivery-events';
import { sqlState } from '../../prisma/errors';
import { storable } from './storable';

export interface WebhookIntake {
  /**
   * Answers, once they are committed, how many of the events were new. Throws VALIDATION when all that can be stored
   * is, and something else cannot; and as the database does.
   * @param rawBody what the events were read from; a refusal points at its place in it
   */
  store(route: WebhookRoute, events: readonly InboxEvent[], rawBody: string): Promise<number>;
}

interface Waiting {
  events: readonly InboxEvent[];
  resolve: (stored: number) => void;
  reject: (error: unknown) => void;
}

/** What one account's callbacks wait in while an earlier statement of theirs is under way. */
interface Queue {
  route: WebhookRoute;
  waiting: Waiting[];
}

const MOST_EVENTS = 1_000;

/**
 * Stores callbacks with few commits: what arrives while a statement of the same account is under way goes into the
 * next one. An idle account's callback is stored at once.
 */
export function createWebhookIntake(db: Database): WebhookIntake {
  const queues = new Map<string, Queue>();

  const drain = async (queue: Queue): Promise<void> => {
    while (queue.waiting.length > 0) {
      const callbacks = takeSome(queue.waiting);
      try {
        await storeTogether(db, queue.route, callbacks);
      } catch (error) {
        // A database that is away fails everybody at once: while it is waited for, thousands more would come.
        if (!isData(error)) rejectAll([...callbacks, ...queue.waiting.splice(0)], error);
        else if (callbacks.length === 1) rejectAll(callbacks, error);
        // One value that the database cannot take must not cost the others theirs.
        else await Promise.all(callbacks.map((each) => storeAlone(db, queue.route, each)));
      }
    }
    queues.delete(queue.route.credentialId);
  };

  const enqueue = (route: WebhookRoute, events: readonly InboxEvent[]): Promise<number> =>
    new Promise((resolve, reject) => {
      const callback = { events, resolve, reject };
      const running = queues.get(route.credentialId);
      if (running !== undefined) {
        running.waiting.push(callback);
        return;
      }
      const queue = { route, waiting: [callback] };
      queues.set(route.credentialId, queue);
      void drain(queue);
    });

  return {
    async store(route, all, rawBody) {
      const { events, refusal } = storable(all, rawBody);
      const stored = events.length === 0 ? 0 : await enqueue(route, events);
      if (refusal !== undefined) throw refusal;
      return stored;
    },
  };
}

function rejectAll(callbacks: readonly Waiting[], error: unknown): void {
  for (const each of callbacks) each.reject(error);
}

/** Whole callbacks, as many as make a statement; one at least, however large. */
function takeSome(waiting: Waiting[]): Waiting[] {
  let events = 0;
  const more = waiting.findIndex((each, index) => {
    events += each.events.length;
    return index > 0 && events > MOST_EVENTS;
  });
  return waiting.splice(0, more === -1 ? waiting.length : more);
}

async function storeTogether(
  db: Database,
  route: WebhookRoute,
  callbacks: Waiting[],
): Promise<void> {
  const stored = new Set(
    await storeEvents(
      db,
      route,
      callbacks.flatMap(({ events }) => events),
    ),
  );
  for (const { events, resolve } of callbacks) {
    // An event that two callbacks have brought was new to the first.
    resolve(events.filter(({ eventId }) => stored.delete(eventId)).length);
  }
}

async function storeAlone(db: Database, route: WebhookRoute, callback: Waiting): Promise<void> {
  await storeTogether(db, route, [callback]).catch(callback.reject);
}

/** Class 22: a value that the database cannot take. 54000: one that is too long for an index. */
function isData(error: unknown): boolean {
  const state = sqlState(error);
  return state?.startsWith('22') === true || state === '54000';
}
