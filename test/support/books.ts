import { findDisagreements } from '../../dev/chaos/books';

/** Throws with every disagreement between counters, ledger and money in this database. */
export async function expectBooksAgree({ adminUrl }: { adminUrl: string }): Promise<void> {
  expect(await findDisagreements(adminUrl)).toEqual([]);
}
