import type { AppContext } from './context';

/**
 * Cuts the connection of this request once nothing has moved on it for so long, for answers that go on and on: who
 * does not read holds up whatever is written, and so everything that looks at a clock in between. What is written must
 * come more often than that. The next request on the connection has no such limit.
 */
export function cutUnread(c: AppContext, afterMs: number): void {
  // Without a listener of the timeout, the connection is destroyed by it.
  c.env.outgoing?.setTimeout(afterMs);
}
