/** The words that people read. The guard says whose motion it sees; it never says "fake" or "real". */

import type { AbstainReason, DriverState, MovementDifference, SourceSnapshot, SourceState } from "../events/schema";

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

/** What keeps the guard from a verdict, and what to do about it. */
export const ABSTAIN_MEANING: Record<AbstainReason, string> = {
  no_face: "No face can be seen, or it is too small: ask them to face the camera",
  frame_rate_too_low: "Too few pictures per second to judge motion by: their connection or this guard is overloaded",
  stalled: "No video arrives: their camera is off or the connection is down",
  misdated: "The video's own clock disagrees with ours: it is slowed down, sped up or replayed",
  frozen: "The picture stands still: the same image keeps coming",
  replayed: "The video repeats itself: a recording seems to run in a loop",
  unsteady: "The video breaks off too often to judge it: check their connection",
  engine_changed: "The template was made by another engine: enrol this person anew",
  engine_failed: "The guard's engine has failed: see the guard's log",
  engine_full: "The guard has no room for another participant: somebody else must leave first",
};

export const SOURCE_LABEL: Record<SourceState, string> = {
  joining: "Joining",
  joined: "Joined",
  waiting: "Waiting to try again",
  failed: "Given up",
  closed: "Not joined",
};

/** Why a call is not joined and when it is tried again; empty where there is nothing to say. */
export function sourceDetail({ why, next_attempt }: SourceSnapshot): string {
  const again = next_attempt === null ? "" : `next attempt at ${clock(Date.parse(next_attempt) / 1000)}`;
  return [why ?? "", again].filter((part) => part !== "").join("; ");
}

/** The version of the consent statement; raise it whenever a word changes. The guard knows by its end what is agreed. */
export function consentVersion(personModel: boolean): string {
  return personModel ? "2026-11-1+person-model" : "2026-11-1";
}

/** personModel: whether a model of the face is learnt, too. */
export function consentStatement(name: string, personModel: boolean): string {
  const who = name.trim() === "" ? "the person shown" : name.trim();
  return (
    `I, ${who}, agree that a template of how my face moves is made from this call and stored on this guard, ` +
    `to check in calls that I am the one who drives my picture. ` +
    (personModel ? `A model of my face is part of it, from which my face can be drawn. ` : ``) +
    `No video is stored. The template is erased when it expires, or earlier when I ask for it.`
  );
}

const OPINION_NAMES: Record<string, string> = {
  f5c: "Facial motion (F5C)",
  expression_dynamics: "Expression dynamics",
  facial_codes: "Facial movements",
  person_model: "Person model",
};

const OPINION_MEANINGS: Record<string, string> = {
  f5c: "How the whole picture of the face moves, frame by frame",
  expression_dynamics: "How brows, eyes and mouth move over some seconds",
  facial_codes: "Which small facial movements are made, and how often",
  person_model: "How well a model of this person's face explains what is seen: mostly looks, hardly who drives",
};

/** What an opinion is called; an unknown witness by its own name. */
export function opinionName(name: string): string {
  const words = name.replaceAll("_", " ");
  return OPINION_NAMES[name] ?? words.charAt(0).toUpperCase() + words.slice(1);
}

export function opinionMeaning(name: string): string {
  return OPINION_MEANINGS[name] ?? "";
}

/** In words what a bar shows, so that nothing hangs on its colour. */
export function leaning(llr: number): string {
  if (Math.abs(llr) < 0.05) return "says neither";
  return llr > 0 ? "for the enrolled driver" : "against the enrolled driver";
}

/** How long ago, for opinions that are renewed about every second. */
export function ago(seconds: number): string {
  return seconds < 1 ? "just now" : `${Math.round(seconds)} s ago`;
}

export function movementText({ words, direction }: MovementDifference): string {
  return `${words}: ${direction} often than when enrolled`;
}

export const OPINION_LIMITS =
  "These are clues, not proof. Everybody moves differently when tired, excited or in another kind of talk; light, " +
  "glasses and a poor line blur what is tracked. A list of movements says what differs, not who is there.";

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
