import { chmod, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { installOnce } from './cache';
import { engineFolder, type Machine } from './machine';

/** The Temporal CLI that holds server 1.32.0. */
const CLI_VERSION = '1.9.1';
const ANSWER_WITHIN_MS = 5_000;
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' };
const PLATFORMS = ['linux', 'darwin'];

export const downloadedEngineFile = (machine: Machine): string =>
  join(engineFolder(machine, `cli-${CLI_VERSION}`), 'temporal');

/** Fetches the official Temporal CLI into the cache; answers with what went wrong instead of throwing. */
export async function downloadEngine(
  machine: Machine,
  onProgress: (line: string) => void,
  versionProblem: (path: string) => Promise<string | null>,
): Promise<{ path: string } | { problem: string }> {
  const arch = ARCHITECTURES[machine.arch];
  if (arch === undefined || !PLATFORMS.includes(machine.platform)) {
    return { problem: `there is none for ${machine.platform} on ${machine.arch}.` };
  }
  onProgress(`Looking for the Temporal CLI ${CLI_VERSION} at temporal.download.`);
  const url = `https://temporal.download/cli/archive/v${CLI_VERSION}?platform=${machine.platform}&arch=${arch}`;
  try {
    await installOnce(engineFolder(machine, `cli-${CLI_VERSION}`), async (folder) => {
      const archive = join(folder, 'archive.tar.gz');
      await machine.download(url, archive, ANSWER_WITHIN_MS);
      const unpacked = await machine.run('tar', ['-xzf', archive, '-C', folder, 'temporal']);
      if (unpacked.status !== 0) throw new Error(unpacked.tail.at(-1) ?? 'tar failed');
      await rm(archive);
      const program = join(folder, 'temporal');
      await chmod(program, 0o755);
      const problem = await versionProblem(program);
      if (problem !== null) throw new Error(`what came ${problem}`);
    });
    return { path: downloadedEngineFile(machine) };
  } catch (error) {
    return { problem: reason(error) };
  }
}

/** fetch hides why it failed in its cause. */
function reason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause instanceof Error ? ` (${error.cause.message})` : '';
  return `${error.message}${cause}`.replace(/[.\s]*$/, '.');
}
