const ends: (() => Promise<void>)[] = [];

/** Leaves something to do when the run is over; the last comes first. */
export function atEnd(end: () => Promise<void>): void {
  ends.unshift(end);
}

export default async function globalTeardown(): Promise<void> {
  for (const end of ends.splice(0)) await end();
}
