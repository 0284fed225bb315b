import { join } from 'node:path';
import { buildWithGo, builtFile, type GoBuild } from './go-build';
import type { Machine } from './machine';

const DEV_SERVER: GoBuild<'temporal'> = {
  what: 'the engine',
  takes: 'about three minutes',
  moduleFolder: join(__dirname, '..', 'temporal'),
  cacheName: 'build',
  programs: { temporal: 'github.com/temporalio/cli/cmd/temporal' },
};

export const builtEngineFile = (machine: Machine): string =>
  builtFile(machine, DEV_SERVER, 'temporal');

/** Builds the Temporal dev server into the cache; answers with what went wrong and what to do instead of throwing. */
export async function buildEngine(
  machine: Machine,
  onProgress: (line: string) => void,
): Promise<{ path: string } | { problem: string }> {
  return (await buildWithGo(machine, DEV_SERVER, onProgress)) ?? { path: builtEngineFile(machine) };
}
