import { describe, expect, test } from "vitest";

import { DRIVER_STATES, type DriverState } from "../src/events/schema";
import { GAP_SECONDS, Timeline, timelineColumns } from "../src/model/timeline";

function filled(capacity: number, count: number): Timeline {
  const timeline = new Timeline(capacity);
  for (let index = 0; index < count; index++) timeline.push(at(index * 0.2, index));
  return timeline;
}

function at(seconds: number, evidence: number | null = 1, state: DriverState = "verified") {
  return { seconds, evidence, llr: evidence, state };
}

describe("ring", () => {
  test("keeps the newest points in order", () => {
    const values = [...filled(4, 11)].map((point) => point.evidence);
    expect(values).toEqual([7, 8, 9, 10]);
  });

  test("reads nothing outside what it holds", () => {
    const timeline = filled(4, 3);
    expect([timeline.at(-1), timeline.at(3)]).toEqual([undefined, undefined]);
    expect(timeline.last()?.evidence).toBe(2);
  });

  test("does not go back in time", () => {
    const timeline = filled(4, 3);
    timeline.push(at(0.4));
    timeline.push(at(0.1));
    expect(timeline.length).toBe(3);
  });

  test("clears", () => {
    const timeline = filled(4, 9);
    timeline.clear();
    expect([...timeline]).toEqual([]);
    timeline.push(at(0));
    expect(timeline.length).toBe(1);
  });

  test("a silence becomes a gap, not a line across it", () => {
    const timeline = new Timeline(10);
    timeline.push(at(0));
    timeline.push(at(GAP_SECONDS + 1));
    expect([...timeline].map((point) => point.evidence)).toEqual([1, null, 1]);
  });

  test.each<DriverState>(["abstain", "unenrolled"])("%s has no value, whatever the event carries", (state) => {
    const timeline = new Timeline(10);
    timeline.push(at(0, 2.5, state));
    expect(timeline.last()?.evidence).toBeNull();
  });

  test.each([0, 1, 2.5])("a capacity of %d is refused", (capacity) => {
    expect(() => new Timeline(capacity)).toThrow(RangeError);
  });
});

describe("columns", () => {
  test("each state has its own line and the lines meet where the state changes", () => {
    const timeline = new Timeline(10);
    timeline.push(at(0, 4));
    timeline.push(at(0.2, 3));
    timeline.push(at(0.4, 0, "uncertain"));
    timeline.push(at(0.6, -4, "mismatch"));
    const { byState, seconds } = timelineColumns(timeline, 90, DRIVER_STATES);
    expect(seconds).toEqual([0, 0.2, 0.4, 0.6]);
    expect(byState.get("verified")).toEqual([4, 3, null, null]);
    expect(byState.get("uncertain")).toEqual([null, 3, 0, null]);
    expect(byState.get("mismatch")).toEqual([null, null, 0, -4]);
  });

  test("spans without a verdict are named, also the one that lasts", () => {
    const timeline = new Timeline(10);
    timeline.push(at(0));
    timeline.push(at(1, 0, "abstain"));
    timeline.push(at(2, 0, "abstain"));
    timeline.push(at(3));
    timeline.push(at(4, 0, "abstain"));
    timeline.push(at(5, 0, "abstain"));
    expect(timelineColumns(timeline, 90, DRIVER_STATES).silent).toEqual([
      [1, 3],
      [4, 5],
    ]);
  });

  test("only the newest span is given", () => {
    const { seconds } = timelineColumns(filled(600, 600), 10, DRIVER_STATES);
    expect(seconds.length).toBe(51);
  });

  test("an empty time-line gives empty columns", () => {
    expect(timelineColumns(new Timeline(4), 90, DRIVER_STATES).seconds).toEqual([]);
  });
});
