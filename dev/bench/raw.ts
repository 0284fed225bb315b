import { randomUUID } from 'node:crypto';
import { startChild } from './child';
import { shareOf, type Contender } from './contender';
import type { RawAnswer, RawQuestion } from './raw-process';
import type { VendorAccount } from './vendor-client';

/** The upper bound: the same calls with nothing around them. */
export function rawLoop(account: VendorAccount, processes: number): Contender {
  return {
    name: 'raw loop',
    async start() {
      const children = Array.from({ length: processes }, () =>
        startChild<RawQuestion, RawAnswer>(require.resolve('./raw-process')),
      );
      return {
        async run(recipients) {
          const sourceId = randomUUID();
          const began = performance.now();
          const answers = await Promise.all(
            children.map((child, index) =>
              child.ask({ account, sourceId, ...shareOf(recipients, index, processes) }),
            ),
          );
          const elapsedMs = performance.now() - began;
          const accepted = answers.reduce((sum, answer) => sum + answer.accepted, 0);
          return { elapsedMs, lost: recipients - accepted, duplicated: 0 };
        },
        async stop() {
          await Promise.all(children.map((child) => child.stop()));
        },
      };
    },
  };
}
