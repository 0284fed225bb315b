import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { ApiRefusal, type ApiClient } from '../demo/http';
import type { HeldLock } from './locks';
import { STEP_WITHIN_MS, type Run } from './scenario';
import { until } from './until';

/** A write of a client that keeps its key: what was not answered is asked again, in the same words. */
export interface Write<Answer> {
  send(): Promise<Answer>;
}

export const withKey = <Answer>(
  client: ApiClient,
  send: (keyed: ApiClient) => Promise<Answer>,
): Write<Answer> => {
  const keyed = client.withKey(randomUUID());
  return { send: () => send(keyed) };
};

/** "Still running" and "not now"; a dead API gives no answer at all. */
const passes = (error: unknown): boolean =>
  error instanceof ApiRefusal ? [409, 429, 503].includes(error.status) : true;

/** What a death of the API has left of requests that were sent at once. */
interface Aftermath<Answer> {
  answers: Answer[];
  /** Requests that the death has cut: nobody heard an answer. */
  cut: number;
}

/**
 * Sends all at once, kills the API at the moment, starts another one and repeats every write until it is answered.
 * @param moment resolves when the API is to die, with what is let go when it is dead
 */
export async function throughDeath<Answer>(
  { arena, score, say }: Run,
  writes: readonly Write<Answer>[],
  moment: () => Promise<HeldLock | undefined>,
): Promise<Aftermath<Answer>> {
  const first = Promise.allSettled(writes.map(({ send }) => send()));
  const held = await moment();
  await arena.api.kill();
  const cut = (await first).filter(
    (each) => each.status === 'rejected' && !(each.reason instanceof ApiRefusal),
  ).length;
  await held?.release();
  score.hits += cut;
  say(`  api killed, ${cut} of ${writes.length} requests are without an answer`);
  const began = performance.now();
  await arena.replaceApi();
  const answers = await Promise.all(writes.map(repeatUntilAnswered));
  score.recovered(performance.now() - began);
  return { answers, cut };
}

/** A death whose moment is such that it must cut a request. */
export async function throughCut<Answer>(
  run: Run,
  writes: readonly Write<Answer>[],
  moment: () => Promise<HeldLock | undefined>,
): Promise<Answer[]> {
  const { answers, cut } = await throughDeath(run, writes, moment);
  run.score.holds('each death of the API cuts a request', cut > 0);
  return answers;
}

export async function repeatUntilAnswered<Answer>({ send }: Write<Answer>): Promise<Answer> {
  let answer: { value: Answer } | undefined;
  let last = 'nothing';
  await until(
    'a repeated request is answered',
    async () => {
      try {
        answer = { value: await send() };
        return true;
      } catch (error) {
        if (!passes(error)) throw error;
        last = String(error);
        await delay(500);
        return false;
      }
    },
    STEP_WITHIN_MS,
  ).catch((error: unknown) => {
    throw new Error(`${String(error)} The last word was: ${last}`, { cause: error });
  });
  if (answer === undefined) throw new Error('No answer.');
  return answer.value;
}
