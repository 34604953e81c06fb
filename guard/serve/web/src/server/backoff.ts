/** Waiting times between attempts to reconnect. */

const FIRST_MS = 500;
const LONGEST_MS = 10_000;

/**
 * Time before attempt number `attempt` (0 is the first), in milliseconds: doubling, capped, and spread by `random`
 * (0..1) over its upper half so that many viewers do not come back at the same instant.
 */
export function backoffMs(attempt: number, random: number): number {
  const ceiling = Math.min(LONGEST_MS, FIRST_MS * 2 ** attempt);
  return ceiling * (0.5 + 0.5 * random);
}
