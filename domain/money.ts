import { Decimal } from 'decimal.js';

/** Money and its sums are decimal strings with four places; a float never holds any of them. */
const PLACES = 4;

export interface BudgetFigures {
  budget: string;
  used: string;
  reserved: string;
}

/** What may still be reserved. */
export function remainingOf({ budget, used, reserved }: BudgetFigures): string {
  return new Decimal(budget).minus(used).minus(reserved).toFixed(PLACES);
}

/** What is spent or promised already: a budget cannot be lowered under it. */
export function committedOf({ used, reserved }: Omit<BudgetFigures, 'budget'>): string {
  return sumAmounts([used, reserved]);
}

export function isLess(amount: string, than: string): boolean {
  return new Decimal(amount).lessThan(than);
}

/** @param amounts decimal strings; no amounts are "0.0000" */
export function sumAmounts(amounts: readonly string[]): string {
  return amounts.reduce((sum, amount) => sum.plus(amount), new Decimal(0)).toFixed(PLACES);
}
