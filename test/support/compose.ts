import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';

export interface Service {
  image: string;
  build?: string;
  command?: string[];
  entrypoint?: string[];
  environment?: Record<string, string | number | null>;
  ports?: string[];
  volumes?: string[];
  depends_on?: Record<string, { condition: string }>;
  healthcheck?: { test?: string[]; disable?: boolean };
  restart?: string;
  profiles?: string[];
  container_name?: string;
}

export interface Compose {
  services: Record<string, Service>;
  volumes: Record<string, unknown>;
}

const PROJECT = join(__dirname, '../..');
const VARIABLE = /\$\{(\w+)(?::([-?])([^}]*))?\}/g;

export const composeText = (): string => readFileSync(join(PROJECT, 'docker-compose.yml'), 'utf8');

/** The file with its variables still in it. */
export const readCompose = (): Compose => parse(composeText(), { merge: true }) as Compose;

/** The variables that the file names, and whether it does without them. */
export function composeVariables(): Map<string, 'needed' | 'optional'> {
  const found = new Map<string, 'needed' | 'optional'>();
  for (const [, name = '', kind] of composeText().matchAll(VARIABLE)) {
    if (found.get(name) !== 'needed') found.set(name, kind === '?' ? 'needed' : 'optional');
  }
  for (const service of Object.values(readCompose().services)) {
    for (const [name, value] of Object.entries(service.environment ?? {})) {
      if (value === null) found.set(name, 'optional');
    }
  }
  return found;
}

/** A service's environment as its process would see it, with these variables set. @throws without a needed one. */
export function environmentOf(name: string, env: Record<string, string>): Record<string, string> {
  const given = readCompose().services[name]?.environment ?? {};
  return Object.fromEntries(
    Object.entries(given).flatMap(([key, value]) =>
      value === null
        ? key in env
          ? [[key, env[key] ?? '']]
          : []
        : [[key, interpolate(String(value), env)]],
    ),
  );
}

function interpolate(text: string, env: Record<string, string>): string {
  return text.replaceAll(VARIABLE, (_, name: string, kind?: string, word = '') => {
    const value = env[name] ?? '';
    if (value !== '') return value;
    if (kind === '?') throw new Error(`${name} is missing a value: ${word}`);
    return kind === '-' ? word : '';
  });
}

/** The names in .env.example, in order, with what stands behind the sign of equality. */
export function exampleVariables(): Map<string, string> {
  const text = readFileSync(join(PROJECT, '.env.example'), 'utf8');
  const pairs = text.matchAll(/^([A-Z_]+)=(.*)$/gm);
  return new Map([...pairs].map(([, name = '', value = '']) => [name, value]));
}
