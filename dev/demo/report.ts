import { Decimal } from 'decimal.js';

/** What the demo prints as one JSON line. */
export interface DemoResult {
  recipients: number;
  sent: number;
  delivered: number;
  failed: number;
  skipped: number;
  unknown: number;
  cancelled: number;
  duplicated: number;
  /** Decimal strings. */
  cost: string;
  budget: string;
  seconds: number;
}

export interface ReportFacts {
  result: DemoResult;
  /** The file, before it became an audience. */
  file: {
    rows: number;
    valid: number;
    corrected: number;
    duplicates: number;
    invalid: Record<string, number>;
  };
  skippedByReason: Record<string, number>;
  failedByReason: Record<string, number>;
  read: number;
  undelivered: number;
  fish: number;
  vendor: { accepted: number; unique: number };
  remaining: string;
}

/** Every sum that has to hold; the ones that do not are named. */
export function checkSums({ result, file, vendor, fish }: ReportFacts): string[] {
  const { recipients, sent, failed, skipped, unknown, cancelled, duplicated } = result;
  const invalid = Object.values(file.invalid).reduce((sum, n) => sum + n, 0);
  const wrong: string[] = [];
  const check = (name: string, left: number, right: number): void => {
    if (left !== right) wrong.push(`${name}: ${left} is not ${right}`);
  };
  check('rows = valid + duplicates + invalid', file.rows, file.valid + file.duplicates + invalid);
  check('valid = recipients', file.valid, recipients);
  check(
    'recipients = sent + failed + skipped + unknown + cancelled',
    recipients,
    sent + failed + skipped + unknown + cancelled,
  );
  check('accepted by the vendor = sent + fish', vendor.accepted, sent + fish);
  check('accepted once each', vendor.accepted, vendor.unique);
  check('duplicated', duplicated, 0);
  if (new Decimal(result.cost).gt(result.budget))
    wrong.push(`cost ${result.cost} is over the budget ${result.budget}`);
  return wrong;
}

/** The report as lines of text, every sum with its parts below it. */
export function reportLines(facts: ReportFacts): string[] {
  const { result, file } = facts;
  const line = (label: string, value: number | string, depth = 0): string =>
    `${'  '.repeat(depth)}${label}`.padEnd(44) + String(value).padStart(12);
  const parts = (reasons: Record<string, number>, depth: number): string[] =>
    Object.entries(reasons)
      .filter(([, n]) => n > 0)
      .sort(([, a], [, b]) => b - a)
      .map(([reason, n]) => line(reason, n, depth));
  const invalid = Object.values(file.invalid).reduce((sum, n) => sum + n, 0);
  return [
    line('rows in the file', file.rows),
    line('invalid', invalid, 1),
    ...parts(file.invalid, 2),
    line('duplicates', file.duplicates, 1),
    line('recipients', result.recipients, 1),
    line('of them corrected', file.corrected, 2),
    '',
    line('recipients', result.recipients),
    line('sent', result.sent, 1),
    line('delivered', result.delivered, 2),
    line('read', facts.read, 3),
    line('reported as undelivered', facts.undelivered, 2),
    line('failed', result.failed, 1),
    ...parts(facts.failedByReason, 2),
    line('skipped', result.skipped, 1),
    ...parts(facts.skippedByReason, 2),
    line('unknown', result.unknown, 1),
    line('cancelled', result.cancelled, 1),
    line('sent twice', result.duplicated),
    line('fish, beside the count', facts.fish),
    '',
    line('cost', result.cost),
    line('budget of the month', result.budget),
    line('left', facts.remaining),
  ];
}
