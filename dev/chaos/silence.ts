import { parseReference } from '../../domain/communications';
import type { RemoteSandbox } from '../sandbox/remote';
import type { Launched } from './campaign';

/** A time (epoch ms) in which no call of these campaigns may begin. */
export interface Silence {
  campaigns: readonly Launched[];
  fromMs: number;
  toMs: number;
}

/** Counts the calls that the vendor has read within the silences; its journal must be on. */
export async function countCalls(
  { sandbox }: { sandbox: Pick<RemoteSandbox, 'journal'> },
  silences: readonly Silence[],
): Promise<number> {
  const journal = await sandbox.journal();
  const broken = journal.filter(({ reference, receivedAt }) => {
    const executionId = parseReference(reference)?.sourceId;
    return silences.some(
      ({ campaigns, fromMs, toMs }) =>
        receivedAt > fromMs &&
        receivedAt < toMs &&
        campaigns.some((each) => each.executionId === executionId),
    );
  });
  return broken.length;
}
