"""The picture of `guard bench network`; imported only for one, as matplotlib is not in the base install."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from guard.bench.network.findings import NetworkRow
from guard.bench.network.report import NetworkReport

_BAR = 0.25


def save_plot(report: NetworkReport, path: Path) -> None:
    """Latency, longest freeze, usable windows and log-likelihood ratios, a row of bars for each network.

    The format is that of the file's ending. Raises OSError.
    """
    figure = Figure(figsize=(13, 1.6 + 0.5 * len(report.rows)), layout="constrained")
    panels = figure.subplots(1, 4, sharey=True)
    _plot_latency(panels[0], report.rows)
    _plot_freeze(panels[1], report.rows)
    _plot_usable(panels[2], report.rows)
    _plot_scores(panels[3], report)
    panels[0].set_yticks(range(len(report.rows)), [row.network.name for row in report.rows])
    panels[0].invert_yaxis()
    load = f"load {report.load[0]:.1f} before, {report.load[1]:.1f} after"
    figure.suptitle(f"{report.command}\n{report.machine}; {load}; {report.engine}; {report.clips}", size=8)
    figure.savefig(path, dpi=120)


def _plot_latency(axes: Axes, rows: tuple[NetworkRow, ...]) -> None:
    places = np.arange(len(rows))
    found = [(row.latency.p50_ms, row.latency.p95_ms, row.latency.p99_ms) if row.latency else (0, 0, 0) for row in rows]
    for number, (label, values) in enumerate(zip(("p50", "p95", "p99"), zip(*found, strict=True), strict=True)):
        axes.barh(places + (number - 1) * _BAR, values, _BAR, label=label)
    axes.set(xlabel="ms from sending to score")
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=3, frameon=False)


def _plot_freeze(axes: Axes, rows: tuple[NetworkRow, ...]) -> None:
    axes.barh(range(len(rows)), [row.longest_freeze_ms for row in rows], color="tab:red")
    axes.axvline(500, color="grey", linestyle="--")
    axes.set(xlabel="longest freeze, ms")


def _plot_usable(axes: Axes, rows: tuple[NetworkRow, ...]) -> None:
    axes.barh(range(len(rows)), [100 * row.usable_share for row in rows], color="tab:green")
    axes.set(xlabel="usable windows, %", xlim=(0, 100))


def _plot_scores(axes: Axes, report: NetworkReport) -> None:
    if report.not_enrolled is not None:
        axes.set(xlabel="nobody was enrolled")
        return
    for number, kind in enumerate(("genuine", "impostor")):
        scores = [row.genuine if kind == "genuine" else row.impostor for row in report.rows]
        known = [(place, s.llr) for place, s in enumerate(scores) if s is not None and s.llr is not None]
        axes.barh([place + (number - 0.5) * _BAR for place, _ in known], [llr for _, llr in known], _BAR, label=kind)
    axes.axvline(0, color="grey")
    axes.set(xlabel="median LLR, nats")
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, frameon=False)
