import { describe, expect, test } from "vitest";

import {
  ABSTAIN_REASONS,
  DRIVER_STATES,
  PARTICIPANT_ACTIONS,
  parseEvent,
  SOURCE_STATES,
  type AlertEvent,
  type EngineEvent,
  type EngineInfo,
  type HealthEvent,
  type HelloEvent,
  type LatencyBreakdown,
  type ParticipantEvent,
  type ParticipantSnapshot,
  type ScoreEvent,
  type SourceEvent,
  type SourceSnapshot,
  type MovementDifference,
  type StateEvent,
  type WitnessesEvent,
  type WitnessOpinion,
} from "../src/events/schema";
import published from "../../schema/events.json";
import { alert } from "./event-builders";

interface Property {
  type?: string;
  const?: unknown;
  enum?: string[];
  $ref?: string;
  anyOf?: Property[];
}
interface Definition {
  properties?: Record<string, Property>;
  enum?: string[];
}

const DEFINITIONS = published.$defs as unknown as Record<string, Definition>;

/** The compiler demands exactly the keys of the type; the test compares them with the server's schema. */
type Fields<T> = { [K in keyof Required<T>]: string };
const ENVELOPE = { v: "const 1", seq: "integer", time: "string", call: "string" };
const OF_SOMEONE = { ...ENVELOPE, participant: "string|null" };

const EVENT_FIELDS = {
  HelloEvent: {
    ...OF_SOMEONE,
    type: "const hello",
    server_version: "string",
    engine: "EngineInfo",
    resumed_from: "integer|null",
    participants: "array",
    sources: "array",
  } satisfies Fields<HelloEvent>,
  ParticipantEvent: {
    ...OF_SOMEONE,
    type: "const participant",
    action: "string",
    why: "string",
    enrolled_as: "string|null",
    enrolment_progress: "number|null",
  } satisfies Fields<ParticipantEvent>,
  ScoreEvent: {
    ...OF_SOMEONE,
    type: "const score",
    pts_seconds: "number",
    llr: "number|null",
    evidence: "number",
    similarity: "number|null",
    state: "DriverState",
    abstain_reason: "AbstainReason|null",
    why: "string",
    valid_fraction: "number",
    fps: "number",
    latency: "LatencyBreakdown|null",
  } satisfies Fields<ScoreEvent>,
  StateEvent: {
    ...OF_SOMEONE,
    type: "const state",
    previous: "DriverState",
    state: "DriverState",
    abstain_reason: "AbstainReason|null",
    why: "string",
  } satisfies Fields<StateEvent>,
  AlertEvent: {
    ...OF_SOMEONE,
    type: "const alert",
    severity: "string",
    reason: "string",
    abstain_reason: "AbstainReason|null",
    evidence_id: "string",
  } satisfies Fields<AlertEvent>,
  HealthEvent: {
    ...OF_SOMEONE,
    type: "const health",
    received_frames: "integer",
    dropped_frames: "integer",
    breaks: "integer",
    queue_frames: "integer",
    engine_lag_ms: "number",
  } satisfies Fields<HealthEvent>,
  WitnessesEvent: {
    ...OF_SOMEONE,
    type: "const witnesses",
    witnesses: "array",
    fused_llr: "number|null",
    fused_seconds: "number|null",
    movements: "array",
  } satisfies Fields<WitnessesEvent>,
  WitnessOpinion: {
    name: "string",
    llr: "number|null",
    why: "string|null",
    age_seconds: "number|null",
    weight: "number",
  } satisfies Fields<WitnessOpinion>,
  MovementDifference: {
    token: "integer",
    words: "string",
    picture: "string",
    direction: "string",
    share: "number",
    limits: "string",
  } satisfies Fields<MovementDifference>,
  EngineEvent: { ...OF_SOMEONE, type: "const engine", engine: "EngineInfo" } satisfies Fields<EngineEvent>,
  SourceEvent: { ...OF_SOMEONE, type: "const source", source: "SourceSnapshot" } satisfies Fields<SourceEvent>,
  SourceSnapshot: {
    number: "integer",
    url: "string",
    call: "string",
    state: "SourceState",
    attempts: "integer",
    joins: "integer",
    why: "string|null",
    next_attempt: "string|null",
  } satisfies Fields<SourceSnapshot>,
  EngineInfo: {
    name: "string",
    version: "string",
    model_sha256: "string",
    backend: "string",
    precision: "string",
    device: "string",
    fallback_reason: "string|null",
    window_frames: "integer",
    window_seconds: "number",
  } satisfies Fields<EngineInfo>,
  LatencyBreakdown: {
    total_ms: "number",
    queue_ms: "number",
    pixels_ms: "number",
    engine_ms: "number",
    verify_ms: "number",
  } satisfies Fields<LatencyBreakdown>,
  ParticipantSnapshot: {
    participant: "string",
    state: "DriverState",
    abstain_reason: "AbstainReason|null",
    why: "string",
    enrolled_as: "string|null",
    enrolment_progress: "number|null",
    thumbnail: "boolean",
  } satisfies Fields<ParticipantSnapshot>,
};

function describeProperty(property: Property): string {
  if (property.anyOf) return property.anyOf.map(describeProperty).join("|");
  if (property.$ref) return property.$ref.split("/").at(-1) ?? "";
  return property.const === undefined ? (property.type ?? "") : `const ${String(property.const)}`;
}

describe("the types are those of the server's JSON Schema", () => {
  test.each(Object.entries(EVENT_FIELDS))("%s", (name, fields) => {
    const properties = DEFINITIONS[name]?.properties ?? {};
    const found = Object.fromEntries(Object.entries(properties).map(([key, of]) => [key, describeProperty(of)]));
    expect(found).toEqual(fields);
  });

  test("states", () => expect(DEFINITIONS["DriverState"]?.enum).toEqual([...DRIVER_STATES]));

  test("reasons of no verdict", () => expect(DEFINITIONS["AbstainReason"]?.enum).toEqual([...ABSTAIN_REASONS]));

  test("states of a source", () => expect(DEFINITIONS["SourceState"]?.enum).toEqual([...SOURCE_STATES]));

  test("participant actions", () => {
    const action = DEFINITIONS["ParticipantEvent"]?.properties?.["action"];
    expect(action?.enum).toEqual([...PARTICIPANT_ACTIONS]);
  });

  test("severities", () => {
    const severities: AlertEvent["severity"][] = ["warning", "critical"];
    expect(DEFINITIONS["AlertEvent"]?.properties?.["severity"]?.enum).toEqual(severities);
  });
});

describe("reading a message", () => {
  test("an event", () => expect(parseEvent(JSON.stringify(alert(7)))).toEqual(alert(7)));

  test.each([
    ["no JSON", "{"],
    ["no object", "7"],
    ["null", "null"],
    ["a pong", '{"type":"pong"}'],
    ["another version", JSON.stringify({ ...alert(7), v: 2 })],
    ["a type of tomorrow", JSON.stringify({ ...alert(7), type: "weather" })],
    ["a broken seq", JSON.stringify({ ...alert(7), seq: "7" })],
  ])("%s is skipped", (_, text) => expect(parseEvent(text)).toBeNull());
});
