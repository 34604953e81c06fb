/** The score time-line of one participant: a ring of the newest points, oldest first when read. */

import type { DriverState } from "../events/schema";

export interface TimelinePoint {
  /** Seconds since the epoch, by the server's clock. */
  seconds: number;
  /** Accumulated evidence in nats; null where the guard abstained. */
  evidence: number | null;
  /** Log-likelihood ratio of the window in nats; null without a verdict. */
  llr: number | null;
  state: DriverState;
}

/** A step longer than this between two scores is drawn as a gap, in seconds. */
export const GAP_SECONDS = 2;

/** States in which the line has no value: there is nothing to compare. */
const WITHOUT_VERDICT: ReadonlySet<DriverState> = new Set(["abstain", "unenrolled"]);

export class Timeline {
  private readonly points: (TimelinePoint | undefined)[];
  private start = 0;
  private count = 0;

  constructor(capacity: number) {
    if (!Number.isInteger(capacity) || capacity < 2) throw new RangeError("a time-line holds at least 2 points");
    this.points = new Array<TimelinePoint | undefined>(capacity);
  }

  get length(): number {
    return this.count;
  }

  /** Add a point; points that go back in time are left out, so that the axis stays sorted. */
  push(point: TimelinePoint): void {
    const last = this.last();
    if (last !== undefined) {
      if (point.seconds <= last.seconds) return;
      if (point.seconds - last.seconds > GAP_SECONDS) {
        this.append({ seconds: last.seconds + 0.001, evidence: null, llr: null, state: "abstain" });
      }
    }
    const silent = WITHOUT_VERDICT.has(point.state);
    this.append(silent ? { ...point, evidence: null, llr: null } : point);
  }

  last(): TimelinePoint | undefined {
    return this.count === 0 ? undefined : this.at(this.count - 1);
  }

  at(index: number): TimelinePoint | undefined {
    if (index < 0 || index >= this.count) return undefined;
    return this.points[(this.start + index) % this.points.length];
  }

  clear(): void {
    this.start = 0;
    this.count = 0;
    this.points.fill(undefined);
  }

  *[Symbol.iterator](): Iterator<TimelinePoint> {
    for (let index = 0; index < this.count; index++) {
      const point = this.at(index);
      if (point !== undefined) yield point;
    }
  }

  private append(point: TimelinePoint): void {
    this.points[(this.start + this.count) % this.points.length] = point;
    if (this.count < this.points.length) this.count++;
    else this.start = (this.start + 1) % this.points.length;
  }
}

/** Columns for the chart: time, llr, then the evidence split into one column per state. */
export interface TimelineColumns {
  seconds: number[];
  llr: (number | null)[];
  byState: Map<DriverState, (number | null)[]>;
  /** Spans without a verdict, as [from, to] seconds. */
  silent: [number, number][];
}

/**
 * Split the newest `span` seconds by state. Where the state changes, the point belongs to both columns, so that the
 * line has no hole.
 */
export function timelineColumns(timeline: Timeline, span: number, states: readonly DriverState[]): TimelineColumns {
  const newest = timeline.last()?.seconds ?? 0;
  const points = [...timeline].filter((point) => point.seconds >= newest - span);
  const byState = new Map(states.map((state) => [state, points.map((): number | null => null)]));
  points.forEach((point, index) => {
    const column = byState.get(point.state);
    if (column) column[index] = point.evidence;
    const before = points[index - 1];
    if (column && before && before.evidence !== null) column[index - 1] = before.evidence;
  });
  return {
    seconds: points.map((point) => point.seconds),
    llr: points.map((point) => point.llr),
    byState,
    silent: silentSpans(points),
  };
}

function silentSpans(points: readonly TimelinePoint[]): [number, number][] {
  const spans: [number, number][] = [];
  let from: number | null = null;
  for (const point of points) {
    if (point.evidence === null) from ??= point.seconds;
    else if (from !== null) {
      spans.push([from, point.seconds]);
      from = null;
    }
  }
  const last = points.at(-1);
  if (from !== null && last) spans.push([from, last.seconds]);
  return spans;
}
