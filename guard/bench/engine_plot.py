"""The picture of `guard bench engine`; imported only for one, as matplotlib is not in the base install."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backend_bases import FigureCanvasBase
from matplotlib.figure import Figure

from guard.bench.engine_report import EngineReport, stage_names


def plot_endings() -> tuple[str, ...]:
    """Endings of file names that can be drawn, without the dot."""
    return tuple(sorted(FigureCanvasBase.get_supported_filetypes()))


def save_plot(report: EngineReport, path: Path) -> None:
    """Left: how late a step's results are at 30 frames a second; right: where a frame's time goes.

    The format is that of the file's ending. Raises OSError.
    """
    figure = Figure(figsize=(11, 4.5), layout="constrained")
    paced, stages = figure.subplots(1, 2)
    _plot_paced(paced, report)
    _plot_stages(stages, report)
    status = report.status
    figure.suptitle(f"{report.engine}, {status.backend} {status.precision}, {status.device}\n{report.machine}", size=9)
    figure.savefig(path, dpi=120)


def _plot_paced(axes: Axes, report: EngineReport) -> None:
    streams = [row.timing.streams for row in report.rows]
    axes.plot(streams, [row.at_30_fps.p50_ms for row in report.rows], marker="o", label="p50")
    axes.plot(streams, [row.at_30_fps.p99_ms for row in report.rows], marker="o", label="p99")
    axes.axhline(report.bound_ms, color="grey", linestyle="--", label=f"{report.bound_ms:.1f} ms")
    axes.set(xscale="log", yscale="log", xlabel="streams at 30 frames a second", ylabel="ms from due to done")
    axes.set_xticks(streams, [str(count) for count in streams])
    axes.minorticks_off()
    axes.legend()


def _plot_stages(axes: Axes, report: EngineReport) -> None:
    rows = [(str(row.timing.streams), row.stages) for row in report.rows if row.stages is not None]
    names = [name for name, _ in rows]
    bottom = np.zeros(len(rows))
    for stage in stage_names(report):
        heights = np.array([timing.stages_ms.get(stage, 0.0) for _, timing in rows])
        axes.bar(names, heights, bottom=bottom, label=stage)
        bottom += heights
    axes.bar(names, [timing.rest_ms for _, timing in rows], bottom=bottom, label="rest", color="lightgrey")
    axes.set(xlabel="streams", ylabel="ms per frame (watched)")
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))  # beside the bars, whatever their height
