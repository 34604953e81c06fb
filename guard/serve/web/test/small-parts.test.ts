import { beforeEach, describe, expect, test } from "vitest";

import { cameraProblem } from "../src/join/camera";
import { preferredCodecs } from "../src/server/publisher";
import { DEFAULT_PREFERENCES, readPreferences, writePreferences } from "../src/model/preferences";
import { isName } from "../src/model/seat-name";
import { ABSTAIN_MEANING, consentStatement, consentVersion, nats, percent, sourceDetail, STATE_MEANING } from "../src/model/wording";
import { reason } from "../src/server/api";
import { backoffMs } from "../src/server/backoff";
import { sourceSnapshot } from "./event-builders";

beforeEach(() => localStorage.clear());

describe("waiting before a new attempt", () => {
  test("grows and stays below the cap", () => {
    const waits = [0, 1, 2, 3, 4, 5, 20].map((attempt) => backoffMs(attempt, 1));
    expect(waits).toEqual([500, 1000, 2000, 4000, 8000, 10_000, 10_000]);
  });

  test("is spread, but never nothing", () => expect(backoffMs(3, 0)).toBe(2000));
});

describe("preferences", () => {
  test("survive a reload", () => {
    const wanted = { theme: "dark" as const, sound: true, notifications: false, pictures: true };
    writePreferences(wanted, localStorage);
    expect(readPreferences(localStorage)).toEqual(wanted);
  });

  test.each(["{", "7", "null", '{"theme":"pink","sound":"yes"}'])("damaged ones are the defaults: %s", (text) => {
    localStorage.setItem("guard.preferences", text);
    expect(readPreferences(localStorage)).toEqual(DEFAULT_PREFERENCES);
  });

  test("nothing disturbs or watches before it is asked for", () => {
    expect(DEFAULT_PREFERENCES).toMatchObject({ sound: false, notifications: false, pictures: false });
  });
});

describe("words and numbers", () => {
  test.each([
    [3.21, "+3.2"],
    [-0.04, "0.0"],
    [-4.96, "−5.0"],
    [null, "–"],
    [NaN, "–"],
  ])("%s nats read %s", (value, text) => expect(nats(value)).toBe(text));

  test("a fraction reads as a percentage", () => expect(percent(0.456)).toBe("46 %"));

  test("nobody is called a fake", () => {
    const words = [...Object.values(STATE_MEANING), ...Object.values(ABSTAIN_MEANING)].join(" ");
    expect(words.toLowerCase()).not.toMatch(/fake|real\b/);
    expect(STATE_MEANING.mismatch).toBe("The driver does not match the enrolled template");
  });

  test("a call that waits says why and until when", () => {
    const next = new Date(2026, 10, 22, 9, 8, 7);
    const waiting = sourceSnapshot({ state: "waiting", why: "the server is gone", next_attempt: next.toISOString() });
    expect(sourceDetail(waiting)).toMatch(/^the server is gone; next attempt at 0?9:08:07/);
    expect(sourceDetail(sourceSnapshot())).toBe("");
  });

  test("the consent names who gives it, and a model of the face where one is learnt", () => {
    expect(consentStatement(" anna ", false)).toContain("I, anna, agree");
    expect(consentStatement("anna", false)).not.toContain("model of my face");
    expect(consentStatement("anna", true)).toContain("A model of my face is part of it");
    expect(consentVersion(true)).toBe(`${consentVersion(false)}+person-model`);
  });
});

test.each([
  ["alice", true],
  ["a.b-c_9", true],
  ["", false],
  [".hidden", false],
  ["two words", false],
  ["a/b", false],
  ["x".repeat(65), false],
])("%s may be a name: %s", (name, allowed) => expect(isName(name)).toBe(allowed));

test("VP8 is offered first, then H264, and what the guard does not decode not at all", () => {
  const types = ["video/AV1", "video/H264", "video/rtx", "video/VP9", "video/VP8", "video/H264", "video/red"];
  const preferred = preferredCodecs(types.map((mimeType) => ({ mimeType })));
  expect(preferred.map((codec) => codec.mimeType)).toEqual([
    "video/VP8",
    "video/H264",
    "video/H264",
    "video/rtx",
    "video/red",
  ]);
});

test.each([
  ["NotAllowedError", "denied"],
  ["NotFoundError", "No camera"],
  ["NotReadableError", "another program"],
  ["WeirdError", "cannot be opened: why"],
])("%s is told in one line", (name, words) => {
  const told = cameraProblem(new DOMException("why", name));
  expect(told).toContain(words);
  expect(told).not.toContain("\n");
});

test.each([
  ['{"detail":"no such seat"}', "no such seat"],
  ['{"title":"Seat taken"}', "Seat taken"],
  ["plain words", "plain words"],
  ["", "The guard answered 409"],
])("a refusal %s reads %s", async (body, line) => {
  expect(await reason(new Response(body, { status: 409 }))).toBe(line);
});
