import { sleep } from '@temporalio/workflow';

/** Waits the number of days and answers how many days have passed by its own clock. */
export async function waitDays(days: number): Promise<number> {
  const began = Date.now();
  await sleep(`${days} days`);
  return (Date.now() - began) / 86_400_000;
}
