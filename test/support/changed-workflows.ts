import { cp, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bundleWorkflowCode } from '@temporalio/worker';
import { createLogger } from '../../telemetry';
import { installRuntime } from '../../workers/runtime';
import { PROJECT } from './project-files';

export interface Change {
  /** A file of workflows/. */
  file: string;
  /** Text of the file that the change replaces. */
  before: string;
  after: string;
}

/**
 * The code of a bundle of the workflows with these changes, made as the worker makes it.
 * @throws when a text is not there, and whatever the bundler says.
 */
export async function bundleChanged(...changes: readonly Change[]): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'regente-changed-'));
  try {
    for (const name of await readdir(PROJECT)) {
      const from = join(PROJECT, name);
      if (name === 'workflows') await cp(from, join(folder, name), { recursive: true });
      else await symlink(from, join(folder, name));
    }
    for (const { file, before, after } of changes) {
      const path = join(folder, 'workflows', file);
      const source = await readFile(path, 'utf8');
      if (!source.includes(before)) throw new Error(`workflows/${file} holds no ${before}`);
      await writeFile(path, source.replace(before, after));
    }
    const workflowsPath = join(folder, 'workflows', 'index.ts');
    const logger = installRuntime(createLogger('silent', 'test'));
    const workflowInterceptorModules = [join(folder, 'workflows', 'trace-headers.ts')];
    const options = { workflowsPath, workflowInterceptorModules, logger };
    return (await bundleWorkflowCode(options)).code;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
