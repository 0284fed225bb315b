import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Unmounts whatever is mounted in this folder, which could not be removed else; what cannot be unmounted stays. */
export async function unmountIn(folder: string): Promise<void> {
  // The newest first, for it may lie in an older one.
  for (const each of mountsIn(folder).toReversed())
    await run('umount', ['-l', each]).catch(() => undefined);
}

function mountsIn(folder: string): string[] {
  try {
    const mounts = readFileSync('/proc/mounts', 'utf8').trimEnd().split('\n');
    return mounts
      .map((line) => line.split(' ')[1] ?? '')
      .filter((each) => each.startsWith(`${folder}/`));
  } catch {
    // Only Linux has the file, and only there the chaos mounts anything.
    return [];
  }
}
