import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { bundleWorkflowCode, type Logger } from '@temporalio/worker';

const BUNDLE = join(__dirname, 'workflow-bundle.js');

/** The workflow code as the worker loads it: the file that `npm run build` wrote, else bundled now (about a second). */
export async function workflowBundle(
  logger?: Logger,
): Promise<{ code: string } | { codePath: string }> {
  return existsSync(BUNDLE) ? { codePath: BUNDLE } : { code: await bundle(logger) };
}

async function bundle(logger?: Logger): Promise<string> {
  const { code } = await bundleWorkflowCode({
    workflowsPath: require.resolve('../workflows/index'),
    workflowInterceptorModules: [require.resolve('../workflows/trace-headers')],
    ...(logger === undefined ? {} : { logger }),
  });
  return code;
}

// A step of the build: makes the file anew, whatever an earlier build has left.
if (require.main === module) {
  bundle()
    .then((code) => writeFile(BUNDLE, code))
    .catch((error: unknown) => {
      process.stderr.write(`The workflows could not be bundled: ${String(error)}\n`);
      process.exit(1);
    });
}
