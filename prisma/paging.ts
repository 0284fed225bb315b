/** One page by descending id, as `api/paging.ts` makes it from a query. */
export interface PageArgs {
  take: number;
  orderBy: { id: 'desc' };
  after: { id?: { lt: string } };
}
