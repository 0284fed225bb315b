import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { bundleWorkflowCode, type Logger } from '@temporalio/worker';

const BUNDLE = join(__dirname, 'workflow-bundle.js');

/** The workflow code as the worker loads it: the file that `npm run build` wrote, else bundled now (about a second). */
export async function workflowBundle(
  logger?: Logger,
): Promise<{ code: string } | { codePath: string }> {
  if (existsSync(BUNDLE)) return { codePath: BUNDLE };
  const { code } = await bundleWorkflowCode({
    workflowsPath: require.resolve('../workflows/index'),
    ...(logger === undefined ? {} : { logger }),
  });
  return { code };
}

if (require.main === module) {
  void workflowBundle().then((bundle) =>
    'code' in bundle ? writeFile(BUNDLE, bundle.code) : undefined,
  );
}
