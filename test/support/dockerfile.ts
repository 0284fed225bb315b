import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Dockerfile {
  lines: string[];
  /** What the last stage takes from the build, as paths of the project. */
  shipped: string[];
  /** What it keeps of the packages in package.json. */
  packages: string[];
}

const PROJECT = join(__dirname, '../..');

/** What the image is made of, read from the Dockerfile itself. */
export function readDockerfile(): Dockerfile {
  const text = readFileSync(join(PROJECT, 'Dockerfile'), 'utf8').replace(/\\\n\s*/g, '');
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  const shipped = lines.flatMap((line) => /^COPY --from=build \/app\/(\S+) /.exec(line)?.[1] ?? []);
  const manifest = JSON.parse(readFileSync(join(PROJECT, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>;
  };
  const deleted = /npm pkg delete (.*?) &&/.exec(text)?.[1]?.split(' ') ?? [];
  return {
    lines,
    shipped,
    packages: Object.keys(manifest.dependencies).filter(
      (name) => !deleted.includes(`dependencies.${name}`),
    ),
  };
}
