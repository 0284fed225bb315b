import { fork } from 'node:child_process';
import { once } from 'node:events';
import { NODE_FLAGS } from './node-flags';

/** A process of the bench that answers one question at a time; it ends when this process does. */
export interface Child<Question, Answer> {
  ask(question: Question): Promise<Answer>;
  stop(): Promise<void>;
}

type Envelope<Answer> = { answer: Answer } | { error: string };

const STOP_WITHIN_MS = 10_000;

/** `file` is a TypeScript module that calls `answerParent`. */
export function startChild<Question extends object, Answer>(file: string): Child<Question, Answer> {
  const child = fork(file, [], {
    execArgv: [...NODE_FLAGS, '--import', 'tsx'],
    // Where the loader is looked for.
    cwd: __dirname,
    // What a child prints is never part of the result.
    stdio: ['ignore', 2, 2, 'ipc'],
  });
  const exited = once(child, 'exit');
  return {
    ask: (question) =>
      new Promise((resolve, reject) => {
        const died = (): void => reject(new Error(`${file} has ended.`));
        child.once('exit', died);
        child.once('message', (message) => {
          child.off('exit', died);
          const envelope = message as Envelope<Answer>;
          if ('answer' in envelope) resolve(envelope.answer);
          else reject(new Error(envelope.error));
        });
        child.send(question, (error) => {
          if (error !== null) reject(error);
        });
      }),
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const impatience = setTimeout(() => child.kill('SIGKILL'), STOP_WITHIN_MS);
      if (child.connected) child.disconnect();
      await exited;
      clearTimeout(impatience);
    },
  };
}

/** The other side: answers every question of the parent, and ends with it. */
export function answerParent<Answer>(answer: (question: never) => Promise<Answer>): void {
  const reply = (envelope: Envelope<Answer>): void => void process.send?.(envelope);
  process.on('message', (question) => {
    answer(question as never).then(
      (value) => reply({ answer: value }),
      (error: unknown) => reply({ error: error instanceof Error ? error.message : String(error) }),
    );
  });
  process.once('disconnect', () => process.exit(0));
}
