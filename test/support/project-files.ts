import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export const PROJECT = join(__dirname, '../..');

/** Made by tools, or by a program that runs here. */
const NOT_OURS = ['.git', '.regente', 'coverage', 'dist', 'node_modules', 'prisma/generated'];

/** Every file of the project, as paths from its root. */
export function projectFiles(folder = ''): string[] {
  return readdirSync(join(PROJECT, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
    if (NOT_OURS.includes(path)) return [];
    return entry.isDirectory() ? projectFiles(path) : [path];
  });
}

export const readProjectFile = (path: string): string => readFileSync(join(PROJECT, path), 'utf8');
