import { chance } from './chance';
import type { Latency, SandboxSettings } from './settings';

export type Fault =
  | { kind: 'reject'; status: number; code: string; permanent: boolean }
  | { kind: 'none' }
  | { kind: 'rateLimited' | 'unavailable' | 'error' | 'errorAfter' }
  | { kind: 'dropBefore' | 'dropAfter' | 'cut' | 'stall' | 'late' };

export const NO_FAULT: Fault = { kind: 'none' };

const reject = (code: string, permanent: boolean, status = 400): Fault => ({
  kind: 'reject',
  status,
  code,
  permanent,
});

/** Struck at every call. */
const ALWAYS: Record<string, Fault> = {
  '01': reject('invalid_number', true),
  '02': reject('unsubscribed', true),
  '03': reject('temporarily_blocked', false, 422),
};

/** Struck at the first call for a reference; the next one finds nothing wrong. */
const FIRST_CALL: Record<string, Fault> = {
  '04': { kind: 'rateLimited' },
  '05': { kind: 'error' },
  '06': { kind: 'errorAfter' },
  '07': { kind: 'dropAfter' },
  '08': { kind: 'dropBefore' },
  '09': { kind: 'stall' },
  '10': { kind: 'cut' },
  '11': { kind: 'unavailable' },
  '12': { kind: 'late' },
};

const RULED_ADDRESS = /(?:9999|sandbox-)00(\d\d)(?:@.*)?$/;

/** The two digits of a number or mailbox that stages something, or null. */
export function rulingDigits(to: string): string | null {
  return RULED_ADDRESS.exec(to)?.[1] ?? null;
}

/** What strikes this call, the `nth` (from 0) for its reference. */
export function faultOf(
  settings: SandboxSettings,
  reference: string,
  to: string,
  nth: number,
): Fault {
  const digits = settings.numberRules ? rulingDigits(to) : null;
  if (digits !== null) {
    return ALWAYS[digits] ?? (nth === 0 ? FIRST_CALL[digits] : undefined) ?? NO_FAULT;
  }
  if (!anyRate(settings)) return NO_FAULT;
  let draw = chance(settings.seed, 'fault', reference, nth);
  for (const kind of RATED) {
    draw -= settings.rates[kind];
    if (draw < 0) return kind === 'reject' ? drawnRejection(settings, reference) : { kind };
  }
  return NO_FAULT;
}

const RATED = [
  'reject',
  'rateLimited',
  'unavailable',
  'error',
  'errorAfter',
  'dropBefore',
  'dropAfter',
  'cut',
  'stall',
  'late',
] as const;

function drawnRejection(settings: SandboxSettings, reference: string): Fault {
  const codes = settings.rejectCodes;
  const draw = chance(settings.seed, 'code', reference, 0);
  const drawn = codes[Math.floor(draw * codes.length)];
  return drawn === undefined ? NO_FAULT : { kind: 'reject', ...drawn };
}

/** True when a call for this address can be struck by chance or by rule. */
export const mayStrike = (settings: SandboxSettings, to: string): boolean =>
  anyRate(settings) || (settings.numberRules && rulingDigits(to) !== null);

function anyRate(settings: SandboxSettings): boolean {
  const rates = settings.rates;
  for (const kind of RATED) if (rates[kind] > 0) return true;
  return false;
}

/** How long this call takes, before it is answered. */
export function latencyMs(latency: Latency, seed: number, reference: string, nth: number): number {
  const draw = (purpose: string): number => chance(seed, purpose, reference, nth);
  if (latency.kind === 'fixed') return latency.ms;
  if (latency.kind === 'jitter') {
    return latency.minMs + draw('latency') * (latency.maxMs - latency.minMs);
  }
  const radius = Math.sqrt(-2 * Math.log(1 - draw('radius')));
  const spread = radius * Math.cos(2 * Math.PI * draw('angle'));
  return Math.max(0, latency.meanMs + spread * latency.deviationMs);
}
