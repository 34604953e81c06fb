import { describe, expect, test } from "vitest";

import type { GuardEvent } from "../src/events/schema";
import { ALERTS_KEPT, CallModel } from "../src/model/call";
import {
  alert,
  engine,
  engineInfo,
  health,
  hello,
  roster,
  score,
  snapshot,
  source,
  sourceSnapshot,
  state,
  witnesses,
} from "./event-builders";

function modelAfter(...events: GuardEvent[]): CallModel {
  const model = new CallModel("main");
  events.forEach((event) => model.apply(event));
  return model;
}

describe("order of events", () => {
  test("a duplicate changes nothing", () => {
    const model = modelAfter(hello(10), score(11, { evidence: 2 }));
    model.apply(score(11, { evidence: -5 }));
    expect(model.participants.get("alice")?.score?.evidence).toBe(2);
    expect(model.participants.get("alice")?.timeline.length).toBe(1);
  });

  test("an event that comes late changes nothing", () => {
    const model = modelAfter(hello(10), state(12), state(11, { state: "mismatch" }));
    expect(model.participants.get("alice")?.state).toBe("verified");
    expect(model.seq).toBe(12);
  });

  test("events of another call are not taken", () => {
    const model = modelAfter(hello(10), state(11, { call: "other", state: "mismatch" }));
    expect(model.participants.get("alice")?.state).toBe("unenrolled");
    expect(model.seq).toBe(10);
  });
});

describe("resuming", () => {
  test("a resumed connection keeps the state and takes what was missed", () => {
    const model = modelAfter(hello(10), state(11), score(12));
    const snapshots = [snapshot("alice", { state: "mismatch" })];
    model.apply(hello(14, { resumed_from: 12, participants: snapshots }));
    // The snapshot is newer than the events that follow: only these may move the state.
    expect(model.participants.get("alice")?.state).toBe("verified");
    expect(model.seq).toBe(12);
    model.apply(score(13));
    model.apply(state(14, { previous: "verified", state: "mismatch" }));
    expect(model.participants.get("alice")?.state).toBe("mismatch");
    expect(model.participants.get("alice")?.timeline.length).toBe(2);
  });

  test("where events were lost the snapshot is the truth", () => {
    const model = modelAfter(hello(10), state(11), score(12));
    const bob = snapshot("bob", { state: "verified", enrolled_as: "Bob" });
    model.apply(hello(5000, { participants: [bob] }));
    expect([...model.participants.keys()]).toEqual(["bob"]);
    expect(model.participants.get("bob")?.enrolledAs).toBe("Bob");
    expect(model.seq).toBe(5000);
  });

  test("a server that started anew begins a new numbering", () => {
    const model = modelAfter(hello(900), score(901));
    model.apply(hello(3));
    expect(model.participants.get("alice")?.timeline.length).toBe(0);
    model.apply(score(4, { evidence: 1, seconds: 1000 }));
    expect(model.participants.get("alice")?.score?.evidence).toBe(1);
  });

  test("history replayed to a fresh page fills the time-line", () => {
    const model = modelAfter(hello(3, { resumed_from: 0 }), score(1), score(2), score(3));
    expect(model.participants.get("alice")?.timeline.length).toBe(3);
  });
});

describe("participants", () => {
  test("joining makes a tile and asks for what the event does not say", () => {
    const model = modelAfter(hello(10, { participants: [] }));
    expect(model.apply(roster(11))).toEqual([{ kind: "roster" }]);
    expect(model.participants.get("alice")?.state).toBe("warming");
    model.refresh([snapshot("alice", { thumbnail: true }), snapshot("nobody")]);
    expect(model.participants.get("alice")?.thumbnail).toBe(true);
    expect(model.participants.has("nobody")).toBe(false);
  });

  test("a straggler does not bring back who has left", () => {
    const model = modelAfter(hello(10), roster(11, { action: "left" }), score(12), health(13));
    expect(model.participants.size).toBe(0);
  });

  test("coming back starts a new time-line", () => {
    const model = modelAfter(hello(10), score(11), roster(12, { action: "left" }), roster(13));
    expect(model.participants.get("alice")?.timeline.length).toBe(0);
  });

  test("an enrolment shows its progress, then the seat", () => {
    const model = modelAfter(hello(10), roster(11, { action: "enrolling", enrolment_progress: 0.4 }));
    expect(model.participants.get("alice")?.enrolmentProgress).toBe(0.4);
    model.apply(roster(12, { action: "enrolled", enrolled_as: "Alice" }));
    expect(model.participants.get("alice")).toMatchObject({ enrolledAs: "Alice", enrolmentProgress: null });
    model.apply(roster(13, { action: "seat_cleared" }));
    expect(model.participants.get("alice")?.enrolledAs).toBeNull();
  });

  test("a failed enrolment keeps the seat and says why until the next one starts", () => {
    const seated = hello(10, { participants: [snapshot("alice", { enrolled_as: "Alice" })] });
    const model = modelAfter(seated, roster(11, { action: "enrolment_failed", why: "too few usable frames" }));
    const alice = () => model.participants.get("alice");
    expect(alice()).toMatchObject({ enrolledAs: "Alice", enrolmentError: "too few usable frames" });
    model.apply(roster(12, { action: "enrolling", enrolment_progress: 0 }));
    expect(alice()?.enrolmentError).toBe("");
  });

  test("health is kept beside the score", () => {
    const model = modelAfter(hello(10), health(11), score(12));
    expect(model.participants.get("alice")?.health).toEqual({ dropped_frames: 2, breaks: 1 });
  });

  test("second opinions are there once they were heard, and change nothing else", () => {
    const model = modelAfter(hello(10), score(11));
    expect(model.participants.get("alice")?.opinions).toBeNull();
    model.apply(witnesses(12));
    expect(model.participants.get("alice")).toMatchObject({ opinions: witnesses(12), state: "verified" });
    model.apply(witnesses(13, { participant: "nobody" }));
    expect(model.participants.has("nobody")).toBe(false);
  });

  test("an enrolment says which witnesses have no part in it, until the next one", () => {
    const model = modelAfter(hello(10), roster(11, { action: "enrolled", enrolled_as: "Alice", why: "no part of X" }));
    expect(model.participants.get("alice")?.enrolmentNote).toBe("no part of X");
    model.apply(roster(12, { action: "enrolling", enrolment_progress: 0 }));
    expect(model.participants.get("alice")?.enrolmentNote).toBe("");
  });

  test("an unchanged participant stays the same object", () => {
    const model = modelAfter(hello(10, { participants: [snapshot("alice"), snapshot("bob")] }));
    const bob = model.participants.get("bob");
    model.apply(score(11));
    expect(model.participants.get("bob")).toBe(bob);
  });
});

describe("alerts", () => {
  test("newest first, each announced once", () => {
    const model = modelAfter(hello(10));
    expect(model.apply(alert(11))).toMatchObject([{ kind: "alert", alert: { id: "e11", acknowledged: false } }]);
    expect(model.apply(alert(11))).toEqual([]);
    expect(model.apply(alert(12, { evidence_id: "e11" }))).toEqual([]);
    model.apply(alert(13));
    expect(model.alerts.map(({ id }) => id)).toEqual(["e13", "e11"]);
  });

  test("acknowledging marks the named ones only, or all", () => {
    const model = modelAfter(hello(10), alert(11), alert(12), alert(13));
    expect(model.acknowledge(["e12"])).toEqual(["e12"]);
    expect(model.alerts.map(({ acknowledged }) => acknowledged)).toEqual([false, true, false]);
    model.acknowledge();
    expect(model.alerts.every(({ acknowledged }) => acknowledged)).toBe(true);
  });

  test("what was acknowledged before a reload stays quiet", () => {
    const model = new CallModel("main", ["e11"]);
    model.apply(hello(10));
    expect(model.apply(alert(11))).toEqual([]);
    expect(model.alerts[0]?.acknowledged).toBe(true);
  });

  test("the feed is bounded", () => {
    const model = modelAfter(hello(0));
    for (let seq = 1; seq <= ALERTS_KEPT + 20; seq++) model.apply(alert(seq));
    expect(model.alerts.length).toBe(ALERTS_KEPT);
    expect(model.alerts[0]?.id).toBe(`e${ALERTS_KEPT + 20}`);
  });

  test("an alert about somebody who has left is kept", () => {
    const model = modelAfter(hello(10), roster(11, { action: "left" }), alert(12));
    expect(model.alerts.length).toBe(1);
    expect(model.participants.size).toBe(0);
  });
});

describe("why there is no verdict", () => {
  const frozen = { state: "abstain", abstain_reason: "frozen" } as const;
  const alice = (...events: GuardEvent[]) => modelAfter(...events).participants.get("alice")?.abstainReason;

  test("comes with the state, the score and the snapshot", () => {
    expect(alice(hello(10), state(11, frozen))).toBe("frozen");
    expect(alice(hello(10), score(11, frozen))).toBe("frozen");
    expect(alice(hello(10, { participants: [snapshot("alice", frozen)] }))).toBe("frozen");
  });

  test("is gone with the next verdict", () => {
    expect(alice(hello(10), state(11, frozen), score(12))).toBeNull();
    expect(alice(hello(10), score(11, frozen), state(12))).toBeNull();
  });

  test("stands in the alert that it led to", () => {
    const model = modelAfter(hello(10), alert(11, { severity: "warning", abstain_reason: "stalled" }));
    expect(model.alerts[0]?.abstainReason).toBe("stalled");
  });
});

describe("the calls that the guard joins", () => {
  const states = (model: CallModel) => model.sources.map(({ number, state }) => [number, state]);

  test("change one by one and keep the order of the settings", () => {
    const model = modelAfter(hello(10, { sources: [sourceSnapshot(), sourceSnapshot({ number: 2 })] }));
    model.apply(source(11, { number: 1, state: "joining" }));
    model.apply(source(12, { number: 0, state: "waiting", why: "gone" }));
    expect(states(model)).toEqual([
      [0, "waiting"],
      [1, "joining"],
      [2, "joined"],
    ]);
  });

  test("history does not take back what the hello says", () => {
    const model = modelAfter(hello(12, { resumed_from: 0, sources: [sourceSnapshot()] }));
    model.apply(source(11, { state: "waiting" }));
    expect(states(model)).toEqual([[0, "joined"]]);
    model.apply(source(13, { state: "failed" }));
    expect(states(model)).toEqual([[0, "failed"]]);
  });
});

describe("the engine", () => {
  const lost = { backend: "onnx", fallback_reason: "tensorrt: failed in use (device lost)" };

  test("is the one of the hello until another one takes over", () => {
    const model = modelAfter(hello(10, { engine: engineInfo({ backend: "tensorrt" }) }));
    expect(model.engine).toEqual(engineInfo({ backend: "tensorrt" }));
    expect(model.apply(engine(11, lost))).toEqual([]);
    expect(model.engine).toEqual(engineInfo(lost));
  });

  test("after a reconnect is the one that runs now", () => {
    const model = modelAfter(hello(10, { engine: engineInfo({ backend: "tensorrt" }) }), engine(11, lost));
    model.apply(hello(11, { resumed_from: 11, engine: engineInfo(lost) }));
    expect(model.engine).toEqual(engineInfo(lost));
  });
});
