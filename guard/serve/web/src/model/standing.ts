/** What may be shown of a participant now: a verdict that nobody renews is no verdict. */

import type { DriverState } from "../events/schema";
import type { Participant } from "./call";
import { ABSTAIN_MEANING } from "./wording";

/** Scores come several times a second; after so long without one a "verified" is out of date, in seconds. */
export const STALE_SECONDS = 5;

export interface Standing {
  state: DriverState;
  why: string;
}

/**
 * The state to show. `live` is false while the guard is not heard; `now` is the newest server time in seconds.
 * Missing evidence is never "verified", also where it is missing between the guard and this page.
 */
export function standing(participant: Participant, live: boolean, now: number): Standing {
  const { state, abstainReason, why, timeline } = participant;
  if (!live) return { state: "abstain", why: "nothing is heard from the guard" };
  const scored = timeline.last()?.seconds;
  if (state === "verified" && scored !== undefined && now - scored > STALE_SECONDS) {
    return { state: "abstain", why: `no score for ${Math.floor(now - scored)} seconds` };
  }
  // A newer guard may give a reason that this page has no words for.
  return { state, why: (abstainReason && ABSTAIN_MEANING[abstainReason]) ?? why };
}
