import { readdirSync, readFileSync } from 'node:fs';

/** The kernel counts in hundredths of a second, whatever the processor. */
const TICKS_A_SECOND = 100;

/** Processor time of this process so far; null where the system does not tell, or the process is gone. */
export function processorSeconds(pid: number): number | null {
  const fields = statOf(pid);
  return fields === null ? null : secondsIn(fields);
}

/** The same with its children, those that have ended included: a PostgreSQL with all its connections. */
export function processorSecondsWithChildren(pid: number): number | null {
  const fields = statOf(pid);
  if (fields === null) return null;
  // What it has waited for is in fields 13 and 14.
  const ended = (ticks(fields, 13) + ticks(fields, 14)) / TICKS_A_SECOND;
  const alive = childrenOf(pid).map((child) => processorSeconds(child) ?? 0);
  return alive.reduce((total, each) => total + each, secondsIn(fields) + ended);
}

function childrenOf(parent: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => statOf(pid)?.[1] === String(parent));
}

/** From the state on: the name before it is in brackets and may itself hold spaces and brackets. */
function statOf(pid: number): string[] | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  } catch {
    return null;
  }
}

const secondsIn = (fields: readonly string[]): number =>
  (ticks(fields, 11) + ticks(fields, 12)) / TICKS_A_SECOND;

const ticks = (fields: readonly string[], index: number): number => Number(fields[index] ?? 0);
