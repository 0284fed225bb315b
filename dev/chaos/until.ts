import { setTimeout as delay } from 'node:timers/promises';

const LOOK_MS = 50;

/** Waits until the condition holds. @throws after `withinMs`, naming what was waited for. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  withinMs = 120_000,
  lookMs = LOOK_MS,
): Promise<void> {
  const deadline = performance.now() + withinMs;
  while (!(await condition())) {
    if (performance.now() > deadline)
      throw new Error(`Waited ${Math.round(withinMs / 1_000)} s in vain until ${what}.`);
    await delay(lookMs);
  }
}
