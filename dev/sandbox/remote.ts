import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { SandboxOptions } from './index';
import type { SettingsPatch } from './settings';
import type { AcceptedFilter, AcceptedMessage } from './store';
import type { JournalEntry, SandboxTotals, ShownMessage } from './world';

/** A sandbox in another process, driven over HTTP. */
export interface RemoteSandbox {
  readonly url: string;
  totals(): Promise<SandboxTotals>;
  accepted(filter?: AcceptedFilter): Promise<AcceptedMessage[]>;
  /** The newest messages with their content. */
  messages(filter?: {
    reference?: string;
    to?: string;
  }): Promise<(ShownMessage & { count: number })[]>;
  journal(): Promise<JournalEntry[]>;
  configure(patch: SettingsPatch): Promise<void>;
  reset(): Promise<void>;
  flushWebhooks(options?: { now?: boolean }): Promise<void>;
}

export interface SandboxProcess extends RemoteSandbox {
  readonly pid: number;
  stop(): Promise<void>;
}

/** Drives the sandbox that listens at this address; every method throws an Error when it is refused. */
export function sandboxAt(url: string): RemoteSandbox {
  const ask = async <Answer>(method: 'GET' | 'POST', path: string, body = ''): Promise<Answer> => {
    const response = await fetch(
      `${url}/_control/${path}`,
      method === 'GET' ? {} : { method, body },
    );
    if (response.ok) return (await response.json()) as Answer;
    throw new Error(`The sandbox at ${url} refused ${path}: ${await response.text()}`);
  };
  const items = async <Item>(path: string, query: Record<string, string> = {}): Promise<Item[]> => {
    const search = new URLSearchParams(query).toString();
    return (await ask<{ items: Item[] }>('GET', `${path}?${search}`)).items;
  };
  return {
    url,
    totals: () => ask('GET', 'totals'),
    accepted: ({ prefix = '', sinceMs = 0 } = {}) =>
      items('accepted', { prefix, since: String(sinceMs) }),
    messages: (filter = {}) => items('messages', { limit: '10000', ...filter }),
    journal: () => items('journal'),
    configure: async (patch) => void (await ask('POST', 'configure', JSON.stringify(patch))),
    reset: async () => void (await ask('POST', 'reset')),
    flushWebhooks: async ({ now = false } = {}) =>
      void (await ask('POST', now ? 'flush?now=1' : 'flush')),
  };
}

/** Starts a sandbox in a process of its own, which ends with this one however this one ends. */
export async function startSandboxProcess(options: SandboxOptions = {}): Promise<SandboxProcess> {
  const { port = 0, tokens = [], ...settings } = options;
  const flags = [
    '--until-stdin-ends',
    '--port',
    String(port),
    '--settings',
    JSON.stringify(settings),
  ];
  for (const token of tokens) flags.push('--token', token);
  const child = spawn(process.execPath, ['--import', 'tsx', join(__dirname, 'main.ts'), ...flags], {
    // Where the loader is looked for.
    cwd: __dirname,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const { url, pid } = await announcement(child);
  return {
    ...sandboxAt(url),
    pid,
    stop: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exited = once(child, 'exit');
      child.kill('SIGTERM');
      await exited;
    },
  };
}

async function announcement(child: ChildProcess): Promise<{ url: string; pid: number }> {
  if (child.stdout === null) throw new Error('The sandbox has no standard output.');
  const lines = createInterface({ input: child.stdout });
  return new Promise((resolve, reject) => {
    lines.once('line', (line) => resolve(JSON.parse(line) as { url: string; pid: number }));
    child.once('error', reject);
    child.once('exit', (code) => {
      reject(new Error(`The sandbox ended with status ${code} before it listened.`));
    });
  });
}
