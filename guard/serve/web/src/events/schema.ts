/**
 * Event schema, version 1, as the browser sees it: the mirror of `guard/serve/events.py`.
 * `test/schema.test.ts` compares every field with the JSON Schema that the server publishes.
 */

export const SCHEMA_VERSION = 1;

export const DRIVER_STATES = ["warming", "verified", "uncertain", "mismatch", "abstain", "unenrolled"] as const;
export type DriverState = (typeof DRIVER_STATES)[number];

export const ABSTAIN_REASONS = [
  "no_face",
  "frame_rate_too_low",
  "stalled",
  "misdated",
  "frozen",
  "replayed",
  "unsteady",
  "engine_changed",
  "engine_failed",
  "engine_full",
] as const;
export type AbstainReason = (typeof ABSTAIN_REASONS)[number];

export const SOURCE_STATES = ["joining", "joined", "waiting", "failed", "closed"] as const;
export type SourceState = (typeof SOURCE_STATES)[number];

export const PARTICIPANT_ACTIONS = [
  "joined",
  "left",
  "enrolling",
  "enrolled",
  "enrolment_failed",
  "seat_cleared",
] as const;
export type ParticipantAction = (typeof PARTICIPANT_ACTIONS)[number];

export type Severity = "warning" | "critical";

export interface EngineInfo {
  name: string;
  version: string;
  model_sha256: string;
  backend: string;
  precision: string;
  device: string;
  fallback_reason: string | null;
  window_frames: number;
  window_seconds: number;
}

/** Milliseconds from the arrival of the newest frame to the sending of the score, by stage. */
export interface LatencyBreakdown {
  total_ms: number;
  queue_ms: number;
  pixels_ms: number;
  engine_ms: number;
  verify_ms: number;
}

export interface ParticipantSnapshot {
  participant: string;
  state: DriverState;
  abstain_reason: AbstainReason | null;
  why: string;
  enrolled_as: string | null;
  enrolment_progress: number | null;
  thumbnail: boolean;
}

/** A call that the guard joins by itself; `number` is its place in the settings, `next_attempt` is RFC 3339. */
export interface SourceSnapshot {
  number: number;
  url: string;
  call: string;
  state: SourceState;
  attempts: number;
  joins: number;
  why: string | null;
  next_attempt: string | null;
}

interface Envelope {
  v: 1;
  seq: number;
  time: string;
  call: string;
  participant: string | null;
}

export interface HelloEvent extends Envelope {
  type: "hello";
  server_version: string;
  engine: EngineInfo;
  resumed_from: number | null;
  participants: ParticipantSnapshot[];
  sources: SourceSnapshot[];
}

export interface ParticipantEvent extends Envelope {
  type: "participant";
  action: ParticipantAction;
  why: string;
  enrolled_as: string | null;
  enrolment_progress: number | null;
}

/** Evidence and llr in nats; pts_seconds is media time. */
export interface ScoreEvent extends Envelope {
  type: "score";
  pts_seconds: number;
  llr: number | null;
  evidence: number;
  similarity: number | null;
  state: DriverState;
  abstain_reason: AbstainReason | null;
  why: string;
  valid_fraction: number;
  fps: number;
  latency: LatencyBreakdown | null;
}

export interface StateEvent extends Envelope {
  type: "state";
  previous: DriverState;
  state: DriverState;
  abstain_reason: AbstainReason | null;
  why: string;
}

export interface AlertEvent extends Envelope {
  type: "alert";
  severity: Severity;
  reason: string;
  abstain_reason: AbstainReason | null;
  evidence_id: string;
}

/** One of those who are heard: the engine ("f5c") or a witness beside it. Nats; `why` is null where it counts. */
export interface WitnessOpinion {
  name: string;
  llr: number | null;
  why: string | null;
  age_seconds: number | null;
  weight: number;
}

/** A facial movement seen more or less often than at enrolment; `share` is of the whole difference. */
export interface MovementDifference {
  token: number;
  words: string;
  picture: string;
  direction: "more" | "less";
  share: number;
  limits: string;
}

/** Second opinions, about once a second per participant; only where witnesses are switched on. */
export interface WitnessesEvent extends Envelope {
  type: "witnesses";
  witnesses: WitnessOpinion[];
  fused_llr: number | null;
  fused_seconds: number | null;
  movements: MovementDifference[];
}

export interface HealthEvent extends Envelope {
  type: "health";
  received_frames: number;
  dropped_frames: number;
  breaks: number;
  queue_frames: number;
  engine_lag_ms: number;
}

/** Another backend computes from now on, since the one before failed; every window starts anew. */
export interface EngineEvent extends Envelope {
  type: "engine";
  engine: EngineInfo;
}

/** A call that the guard joins by itself was joined, lost or given up, or is tried again. */
export interface SourceEvent extends Envelope {
  type: "source";
  source: SourceSnapshot;
}

export type GuardEvent =
  | HelloEvent
  | ParticipantEvent
  | ScoreEvent
  | StateEvent
  | AlertEvent
  | WitnessesEvent
  | HealthEvent
  | EngineEvent
  | SourceEvent;
export type EventType = GuardEvent["type"];

const EVENT_TYPES: ReadonlySet<string> = new Set<EventType>([
  "hello",
  "participant",
  "score",
  "state",
  "alert",
  "witnesses",
  "health",
  "engine",
  "source",
]);

/**
 * Read one WebSocket message. Null for anything that is no event of this version: a newer server may send
 * types that this page does not know, and they must not stop it.
 */
export function parseEvent(text: string): GuardEvent | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof value !== "object" || value === null) return null;
  const { v, type, seq, time } = value as Record<string, unknown>;
  if (v !== SCHEMA_VERSION || typeof type !== "string" || !EVENT_TYPES.has(type)) return null;
  if (typeof seq !== "number" || !Number.isInteger(seq) || typeof time !== "string") return null;
  return value as GuardEvent;
}
