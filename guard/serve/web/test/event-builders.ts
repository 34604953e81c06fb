/** Events for the tests; each takes only what its test is about. */

import type {
  AlertEvent,
  EngineEvent,
  EngineInfo,
  HealthEvent,
  HelloEvent,
  ParticipantEvent,
  ParticipantSnapshot,
  ScoreEvent,
  SourceEvent,
  SourceSnapshot,
  StateEvent,
  WitnessesEvent,
} from "../src/events/schema";

const START = Date.UTC(2026, 10, 21, 12) / 1000;

function envelope(seq: number, seconds = seq) {
  const time = new Date((START + seconds) * 1000).toISOString();
  return { v: 1 as const, seq, time, call: "main", participant: "alice" };
}

export function snapshot(participant: string, change: Partial<ParticipantSnapshot> = {}): ParticipantSnapshot {
  return {
    participant,
    state: "unenrolled",
    abstain_reason: null,
    why: "",
    enrolled_as: null,
    enrolment_progress: null,
    thumbnail: false,
    ...change,
  };
}

export function engineInfo(change: Partial<EngineInfo> = {}): EngineInfo {
  return {
    name: "test",
    version: "1",
    model_sha256: "0".repeat(64),
    backend: "onnx",
    precision: "fp32",
    device: "cpu",
    fallback_reason: null,
    window_frames: 64,
    window_seconds: 2.1,
    ...change,
  };
}

export function engine(seq: number, change: Partial<EngineInfo> = {}): EngineEvent {
  return { ...envelope(seq), type: "engine", participant: null, engine: engineInfo(change) };
}

export function sourceSnapshot(change: Partial<SourceSnapshot> = {}): SourceSnapshot {
  return {
    number: 0,
    url: "whep://h/room",
    call: "main",
    state: "joined",
    attempts: 1,
    joins: 1,
    why: null,
    next_attempt: null,
    ...change,
  };
}

export function source(seq: number, change: Partial<SourceSnapshot> = {}): SourceEvent {
  return { ...envelope(seq), type: "source", participant: null, source: sourceSnapshot(change) };
}

export function hello(seq: number, change: Partial<HelloEvent> = {}): HelloEvent {
  return {
    ...envelope(seq, 0),
    type: "hello",
    participant: null,
    server_version: "0.1.0",
    engine: engineInfo(),
    resumed_from: null,
    participants: [snapshot("alice")],
    sources: [],
    ...change,
  };
}

export function score(seq: number, change: Partial<ScoreEvent> & { seconds?: number } = {}): ScoreEvent {
  const { seconds = seq, ...fields } = change;
  return {
    ...envelope(seq, seconds),
    type: "score",
    pts_seconds: seconds,
    llr: 1.5,
    evidence: 3.5,
    similarity: 0.6,
    state: "verified",
    abstain_reason: null,
    why: "",
    valid_fraction: 1,
    fps: 30,
    latency: null,
    ...fields,
  };
}

export function state(seq: number, change: Partial<StateEvent> = {}): StateEvent {
  return {
    ...envelope(seq),
    type: "state",
    previous: "warming",
    state: "verified",
    abstain_reason: null,
    why: "it matches",
    ...change,
  };
}

export function witnesses(seq: number, change: Partial<WitnessesEvent> = {}): WitnessesEvent {
  return {
    ...envelope(seq),
    type: "witnesses",
    witnesses: [
      { name: "f5c", llr: 1.2, why: null, age_seconds: 0, weight: 0.8 },
      { name: "expression_dynamics", llr: -2.1, why: null, age_seconds: 0.4, weight: 0.6 },
      { name: "facial_codes", llr: null, why: "no face tracked for 4 s", age_seconds: 4.2, weight: 0 },
    ],
    fused_llr: -0.3,
    fused_seconds: 5.1,
    movements: [
      {
        token: 7,
        words: "left brow rises",
        picture: "/api/witnesses/facial_codes/pictures/7.png",
        direction: "more",
        share: 0.25,
        limits: "",
      },
    ],
    ...change,
  };
}

export function alert(seq: number, change: Partial<AlertEvent> = {}): AlertEvent {
  return {
    ...envelope(seq),
    type: "alert",
    severity: "critical",
    reason: "driver does not match the enrolled template",
    abstain_reason: null,
    evidence_id: `e${seq}`,
    ...change,
  };
}

export function roster(seq: number, change: Partial<ParticipantEvent> = {}): ParticipantEvent {
  return {
    ...envelope(seq),
    type: "participant",
    action: "joined",
    why: "",
    enrolled_as: null,
    enrolment_progress: null,
    ...change,
  };
}

export function health(seq: number, change: Partial<HealthEvent> = {}): HealthEvent {
  return {
    ...envelope(seq),
    type: "health",
    received_frames: 100,
    dropped_frames: 2,
    breaks: 1,
    queue_frames: 0,
    engine_lag_ms: 3,
    ...change,
  };
}
