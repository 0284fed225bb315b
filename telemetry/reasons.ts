import { WAIT_REASONS } from '../domain/campaigns';

/** Our own codes and those of our HTTP client, as labels. */
const RESULTS: Readonly<Record<string, string>> = {
  TIMEOUT: 'timeout',
  LEASE_OVER: 'lease_over',
  BAD_REPLY: 'bad_reply',
  NO_RESULT: 'bad_reply',
  CLOSED: 'account_replaced',
  HTTP_429: 'rate_limited',
  HTTP_503: 'unavailable',
  unavailable: 'unavailable',
  key_reused: 'key_reused',
  mark_lost: 'mark_lost',
  no_answer: 'no_answer',
  not_found: 'not_found',
  not_called: 'not_called',
};

/** As patterns, for codes with something variable in them. */
const FAMILIES: readonly (readonly [RegExp, string])[] = [
  [/^missing_variable:/, 'missing_variable'],
  [/^(E[A-Z_]{3,}|UND_ERR_\w+)$/, 'network'],
  [/^HTTP_4\d\d$/, 'http_4xx'],
  [/^HTTP_5\d\d$/, 'http_5xx'],
];

/** The code of a result as one of a few labels: vendors make up codes of their own, which are all `vendor_code`. */
export function resultReason(code: string | undefined): string {
  if (code === undefined) return 'none';
  if (Object.hasOwn(RESULTS, code)) return RESULTS[code] ?? 'vendor_code';
  return FAMILIES.find(([pattern]) => pattern.test(code))?.[1] ?? 'vendor_code';
}

const GATES: ReadonlySet<string> = new Set([
  'blocklist',
  'opt_out',
  'deadline',
  'bad_row',
  'late_acceptance',
  'send_window',
  'frequency_cap',
]);

/** Why the gate did not mark somebody; the name of a missing variable is the customer's, and no label. */
export const gateReason = (reason: string): string =>
  GATES.has(reason)
    ? reason
    : reason.startsWith('missing_variable:')
      ? 'missing_variable'
      : 'other';

const STOPS: ReadonlySet<string> = new Set([
  ...WAIT_REASONS,
  'credentials_refused',
  'configuration',
  'none',
]);

/** Why an execution waits or has stopped; a reason that people typed is `other`. */
export const stopReason = (reason: string | null): string =>
  reason === null ? 'none' : STOPS.has(reason) ? reason : 'other';
