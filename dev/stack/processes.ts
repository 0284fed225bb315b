import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

/** One process, safe against the reuse of its number: `stamp` is the moment it began, as the system tells it. */
export interface ProcessIdentity {
  pid: number;
  stamp: string;
}

/** When this process began, in the system's own words; null when it is not running (a zombie is not). */
function processStamp(pid: number): string | null {
  if (process.platform !== 'linux') {
    try {
      const line = execFileSync('ps', ['-o', 'state=,lstart=', '-p', String(pid)], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      }).trim();
      return line === '' || line.startsWith('Z') ? null : line.replace(/^\S+\s+/, '');
    } catch {
      return null;
    }
  }
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field is the program's name in brackets and may itself hold spaces and brackets.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? null : (fields[19] ?? null);
  } catch {
    return null;
  }
}

/** The identity of a running process; null when there is none of this number. */
export function identify(pid: number): ProcessIdentity | null {
  const stamp = processStamp(pid);
  return stamp === null ? null : { pid, stamp };
}

export const isRunning = (identity: ProcessIdentity): boolean =>
  processStamp(identity.pid) === identity.stamp;

export function thisProcess(): ProcessIdentity {
  return identify(process.pid) ?? { pid: process.pid, stamp: 'unknown' };
}

/** The command line of a process, arguments separated by spaces; '' when it cannot be read. */
export function commandLine(pid: number): string {
  try {
    return process.platform === 'linux'
      ? readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
      : execFileSync('ps', ['-o', 'command=', '-p', String(pid)], { encoding: 'utf8' });
  } catch {
    return '';
  }
}

/** Signals a process that may be gone already. */
function signal(identity: ProcessIdentity, name: NodeJS.Signals): void {
  if (!isRunning(identity)) return;
  try {
    process.kill(identity.pid, name);
  } catch {
    // It ended in between, or belongs to somebody else: the caller waits for its end and will say so.
  }
}

/** Ends a process with `name`, and with SIGKILL when it is still there after `graceMs`. */
export async function endProcess(
  identity: ProcessIdentity,
  name: NodeJS.Signals,
  graceMs: number,
): Promise<void> {
  signal(identity, name);
  if (await ended(identity, graceMs)) return;
  signal(identity, 'SIGKILL');
  await ended(identity, graceMs);
}

async function ended(identity: ProcessIdentity, withinMs: number): Promise<boolean> {
  const deadline = Date.now() + withinMs;
  while (isRunning(identity)) {
    if (Date.now() >= deadline) return false;
    await delay(20);
  }
  return true;
}
