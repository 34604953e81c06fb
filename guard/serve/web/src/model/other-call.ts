/** Which call to look at where the one that is shown has nobody in it. */

import type { CallSnapshot } from "../server/api";

/** Shown first where nobody named a call. */
export const DEFAULT_CALL = "main";

/** The call with most people besides `shown`, the first by name among equals; null where all are empty. */
export function busiestOther(shown: string, calls: readonly CallSnapshot[]): CallSnapshot | null {
  const others = calls.filter(({ call, participants }) => call !== shown && participants > 0);
  others.sort((a, b) => b.participants - a.participants || a.call.localeCompare(b.call));
  return others[0] ?? null;
}

export function isEmpty(call: string, calls: readonly CallSnapshot[]): boolean {
  return !calls.some((other) => other.call === call && other.participants > 0);
}
