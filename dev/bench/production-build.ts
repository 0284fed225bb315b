import { execFile } from 'node:child_process';
import { symlink } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const CHECKOUT = resolve(__dirname, '../..');

/** Builds Regente as `npm run build` does, into this folder; answers the path of `start.js`. */
export async function buildProduction(folder: string): Promise<string> {
  const compiler = join(dirname(require.resolve('typescript/package.json')), 'bin', 'tsc');
  // Types are checked by `npm run verify`.
  const flags = ['-p', 'tsconfig.build.json', '--outDir', folder, '--noCheck'];
  await run(process.execPath, [compiler, ...flags], { cwd: CHECKOUT });
  await symlink(join(CHECKOUT, 'node_modules'), join(folder, 'node_modules'), 'dir');
  await run(process.execPath, [join(folder, 'workers', 'bundle.js')], { cwd: folder });
  return join(folder, 'start.js');
}
