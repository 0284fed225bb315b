import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { thisMachine, type Machine } from '../../dev/stack/machine';

/** A folder of a test with its own PATH and cache. */
export interface FakePrograms {
  folder: string;
  bin: string;
  /** A real program that does what `body` says, at this path. */
  program(path: string, body: string): string;
  /** This machine with that PATH and cache: only what the test put there is found. */
  machine(env?: Record<string, string>): Machine;
  remove(): void;
}

export function createFakePrograms(): FakePrograms {
  const folder = mkdtempSync(join(tmpdir(), 'regente-test-'));
  const bin = join(folder, 'bin');
  mkdirSync(bin);
  return {
    folder,
    bin,
    program(path, body) {
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, `#!/bin/sh\n${body}\n`, { mode: 0o755 });
      return path;
    },
    machine: (env = {}) => ({
      ...thisMachine({ PATH: [bin, '/usr/bin', '/bin'].join(delimiter), ...env }),
      cache: join(folder, 'cache'),
      findOnPath: (name) => (existsSync(join(bin, name)) ? join(bin, name) : null),
    }),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
