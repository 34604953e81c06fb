/** The score time-line: evidence over the last 90 seconds, coloured by state, over the bands of the thresholds. */

import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";

import { DRIVER_STATES } from "../events/schema";
import type { Timeline } from "../model/timeline";
import { timelineColumns } from "../model/timeline";
import type { Thresholds } from "../server/api";
import { resolvePalette, type Palette } from "./palette";

/** What the time-line shows, in seconds. */
export const SPAN_SECONDS = 90;

interface ChartProps {
  timeline: Timeline;
  thresholds: Thresholds;
  /** Right edge of the time axis, server time in seconds. */
  now: number;
  dark: boolean;
  label: string;
}

export function Chart({ timeline, thresholds, now, dark, label }: ChartProps) {
  const host = useRef<HTMLDivElement>(null);
  const plot = useRef<TimelinePlot | null>(null);
  const { verified_enter, mismatch_enter, evidence_limit } = thresholds;

  useEffect(() => {
    const element = host.current;
    if (element === null) return;
    const made = new TimelinePlot(element, { verified_enter, mismatch_enter, evidence_limit });
    plot.current = made;
    made.show(timeline, now);
    return () => made.destroy();
  }, [dark, verified_enter, mismatch_enter, evidence_limit]);

  // Others' events move `now` too: five steps a second are enough for the axis to glide.
  const tick = Math.floor(now * 5);
  useEffect(() => plot.current?.show(timeline, now), [tick, timeline]);

  return <div ref={host} class="chart" role="img" aria-label={label} />;
}

type Bands = Pick<Thresholds, "verified_enter" | "mismatch_enter" | "evidence_limit">;

class TimelinePlot {
  private readonly plot: uPlot;
  private readonly resize: ResizeObserver;
  private readonly bands: Bands;
  private readonly palette: Palette;
  private silent: [number, number][] = [];
  private now = 0;

  constructor(host: HTMLElement, bands: Bands) {
    this.bands = bands;
    this.palette = resolvePalette(host);
    this.plot = new uPlot(this.options(host.clientWidth, host.clientHeight), [[], [], ...DRIVER_STATES.map(() => [])], host);
    this.resize = new ResizeObserver(() => {
      if (host.clientWidth > 0) this.plot.setSize({ width: host.clientWidth, height: host.clientHeight });
    });
    this.resize.observe(host);
  }

  show(timeline: Timeline, now: number): void {
    const columns = timelineColumns(timeline, SPAN_SECONDS + 5, DRIVER_STATES);
    this.now = now;
    this.silent = columns.silent;
    const evidence = DRIVER_STATES.map((state) => columns.byState.get(state) ?? []);
    this.plot.setData([columns.seconds, columns.llr, ...evidence]);
  }

  destroy(): void {
    this.resize.disconnect();
    this.plot.destroy();
  }

  private options(width: number, height: number): uPlot.Options {
    const { palette, bands } = this;
    const limit = bands.evidence_limit;
    return {
      width,
      height,
      padding: [6, 10, 0, 0],
      legend: { show: false },
      cursor: { show: false },
      scales: {
        x: { time: false, range: () => [this.now - SPAN_SECONDS, this.now] },
        y: { range: [-limit * 1.08, limit * 1.08] },
      },
      axes: [
        {
          ...axis(palette),
          size: 20,
          splits: () => [90, 60, 30, 0].map((ago) => this.now - ago),
          values: (_, splits) => splits.map((at) => (at >= this.now ? "now" : `−${Math.round(this.now - at)} s`)),
        },
        {
          ...axis(palette),
          size: 34,
          splits: () => [bands.mismatch_enter, 0, bands.verified_enter],
          values: (_, splits) => splits.map((at) => (at > 0 ? `+${at}` : `${at}`.replace("-", "−"))),
        },
      ],
      series: [
        {},
        { stroke: palette.faint, width: 0.75, alpha: 0.6, points: { show: false } },
        ...DRIVER_STATES.map((state) => ({ stroke: palette.state[state], width: 2.2, points: { show: false } })),
      ],
      hooks: { drawClear: [(plot) => this.background(plot)] },
    };
  }

  private background(plot: uPlot): void {
    const { bands, palette } = this;
    const { left, top, width, height } = plot.bbox;
    const verified = plot.valToPos(bands.verified_enter, "y", true);
    const mismatch = plot.valToPos(bands.mismatch_enter, "y", true);
    const context = plot.ctx;
    context.save();
    context.beginPath();
    context.rect(left, top, width, height);
    context.clip();
    this.band(context, palette.state.verified, left, top, width, verified - top);
    this.band(context, palette.state.mismatch, left, mismatch, width, top + height - mismatch);
    context.globalAlpha = 0.16;
    context.fillStyle = palette.state.abstain;
    for (const [from, to] of this.silent) {
      const begin = plot.valToPos(from, "x", true);
      context.fillRect(begin, top, plot.valToPos(to, "x", true) - begin, height);
    }
    context.globalAlpha = 0.85;
    context.font = `${10 * devicePixelRatio}px system-ui, sans-serif`;
    context.textBaseline = "middle";
    context.textAlign = "left";
    const inset = 6 * devicePixelRatio;
    context.fillStyle = palette.state.verified;
    context.fillText("verified", left + inset, (top + verified) / 2);
    context.fillStyle = palette.state.mismatch;
    context.fillText("mismatch", left + inset, (mismatch + top + height) / 2);
    context.restore();
  }

  private band(
    context: CanvasRenderingContext2D,
    colour: string,
    left: number,
    top: number,
    width: number,
    height: number,
  ): void {
    context.globalAlpha = 0.1;
    context.fillStyle = colour;
    context.fillRect(left, top, width, height);
  }
}

function axis(palette: Palette): uPlot.Axis {
  return {
    stroke: palette.muted,
    font: "10.5px system-ui, sans-serif",
    gap: 4,
    grid: { stroke: palette.line, width: 1 },
    ticks: { show: false },
  };
}
