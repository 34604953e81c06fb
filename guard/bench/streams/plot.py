"""The picture of `guard bench streams`; imported only for one, as matplotlib is not in the base install."""

from __future__ import annotations

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from guard.bench.streams.probe import MOST_P99_MS
from guard.bench.streams.report import Search, StreamsReport
from guard.bench.streams.stage_cpu import STAGES


def save_plot(report: StreamsReport, path: Path) -> None:
    """Left: latency over streams; right: where a stream's CPU goes, beside decoding only.

    The format is that of the file's ending. Raises OSError.
    """
    figure = Figure(figsize=(11, 4.5), layout="constrained")
    latency, cpu = figure.subplots(1, 2)
    _plot_latency(latency, report)
    _plot_cpu(cpu, report)
    load = f"load {report.load[0]:.1f} before, {report.load[1]:.1f} after"
    figure.suptitle(f"{report.command}\n{report.machine}; {load}; {report.clip}", size=8)
    figure.savefig(path, dpi=120)


def _plot_latency(axes: Axes, report: StreamsReport) -> None:
    searches = (
        ("with engine", report.with_engine),
        ("with engine and workers", report.isolated),
        ("without engine", report.without_engine),
    )
    for name, search in searches:
        if search is None:
            continue
        found = sorted((probe.streams, probe.latency.p99_ms) for probe in search.probes if probe.latency is not None)
        axes.plot([streams for streams, _ in found], [p99 for _, p99 in found], marker="o", label=f"p99 {name}")
        _mark_largest(axes, search)
    axes.axhline(MOST_P99_MS, color="grey", linestyle="--", label=f"{MOST_P99_MS:.0f} ms")
    axes.set(xlabel="streams", ylabel="ms from arrival to verdict", yscale="log")
    axes.legend()


def _mark_largest(axes: Axes, search: Search) -> None:
    if (best := search.at_largest) is not None and best.latency is not None:
        axes.annotate(f"{best.streams} carried", (best.streams, best.latency.p99_ms), size=8)


def _plot_cpu(axes: Axes, report: StreamsReport) -> None:
    costs = report.costs
    full = next((probe for probe in report.with_engine.probes if probe.streams == costs.streams), None)
    for name, probe in (("guard", full), ("no engine", costs.without_engine), ("workers,\nno engine", costs.isolated)):
        bottom = 0.0
        if probe is None or probe.cpu is None:
            continue
        for number, stage in enumerate((*STAGES, "rest")):
            height = getattr(probe.cpu, stage)
            label = stage if name == "no engine" else None
            axes.bar(name, height, bottom=bottom, color=f"C{number}", label=label)
            bottom += height
    decode_percent = 100 * 30 * costs.native.ms / 1000
    axes.bar("decode only", decode_percent, color=f"C{STAGES.index('decode')}")
    axes.axhline(1.8 * decode_percent, color="grey", linestyle="--", label="1.8x decode only")
    axes.set(ylabel=f"% of a core for each of {costs.streams} streams")
    axes.legend(fontsize=8)
