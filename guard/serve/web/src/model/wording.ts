/** The words that people read. The guard says whose motion it sees; it never says "fake" or "real". */

import type { DriverState } from "../events/schema";

export const STATE_LABEL: Record<DriverState, string> = {
  warming: "Warming up",
  verified: "Verified",
  uncertain: "Uncertain",
  mismatch: "Mismatch",
  abstain: "No verdict",
  unenrolled: "Not enrolled",
};

export const STATE_MEANING: Record<DriverState, string> = {
  warming: "Collecting the first window of motion",
  verified: "The driver matches the enrolled template",
  uncertain: "The evidence does not decide yet",
  mismatch: "The driver does not match the enrolled template",
  abstain: "There is nothing to judge at the moment",
  unenrolled: "No template is compared with this seat",
};

/** The consent statement; raise the version whenever a word of it changes. */
export const CONSENT_VERSION = "2026-11-1";
export function consentStatement(name: string): string {
  const who = name.trim() === "" ? "the person shown" : name.trim();
  return (
    `I, ${who}, agree that a template of how my face moves is made from this call and stored on this guard, ` +
    `to check in calls that I am the one who drives my picture. No video is stored. The template is erased when ` +
    `it expires, or earlier when I ask for it.`
  );
}

/** A number of nats with its sign, such as "+3.2"; an en dash where there is none. */
export function nats(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  const text = Math.abs(value).toFixed(1);
  if (text === "0.0") return "0.0";
  return (value < 0 ? "−" : "+") + text;
}

export function percent(fraction: number): string {
  return `${Math.round(fraction * 100)} %`;
}

/** Local wall-clock time of an event, to the second. */
export function clock(seconds: number): string {
  return new Date(seconds * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });
}
