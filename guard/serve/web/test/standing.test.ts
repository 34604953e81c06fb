import { expect, test } from "vitest";

import { CallModel } from "../src/model/call";
import { standing, STALE_SECONDS } from "../src/model/standing";
import { ABSTAIN_MEANING } from "../src/model/wording";
import { hello, score } from "./event-builders";

function alice(change: Parameters<typeof score>[1] = {}) {
  const model = new CallModel("main");
  model.apply(hello(10));
  model.apply(score(11, change));
  const participant = model.participants.get("alice");
  if (participant === undefined) throw new Error("alice is in the call");
  return { participant, now: model.seconds };
}

test("a verdict that is renewed is shown", () => {
  const { participant, now } = alice({ why: "it matches" });
  expect(standing(participant, true, now)).toEqual({ state: "verified", why: "it matches" });
});

test("without a connection nobody is verified", () => {
  const { participant, now } = alice();
  expect(standing(participant, false, now).state).toBe("abstain");
});

test("a verified participant without new scores is not verified", () => {
  const { participant, now } = alice();
  expect(standing(participant, true, now + STALE_SECONDS).state).toBe("verified");
  expect(standing(participant, true, now + STALE_SECONDS + 1)).toEqual({
    state: "abstain",
    why: "no score for 6 seconds",
  });
});

test("no verdict is explained in words for people", () => {
  const { participant, now } = alice({ state: "abstain", abstain_reason: "replayed", why: "no verdict" });
  expect(standing(participant, true, now)).toEqual({ state: "abstain", why: ABSTAIN_MEANING.replayed });
});

test("a reason of tomorrow is shown as the guard puts it", () => {
  const { participant, now } = alice({ state: "abstain", abstain_reason: "eclipse" as never, why: "no verdict: dark" });
  expect(standing(participant, true, now).why).toBe("no verdict: dark");
});

test("a mismatch stays until the guard takes it back", () => {
  const { participant, now } = alice({ state: "mismatch" });
  expect(standing(participant, true, now + 60).state).toBe("mismatch");
});
