"""Pictures of what calls tell; no faces in them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import matplotlib as mpl
import numpy as np

mpl.use("Agg")
from matplotlib import pyplot as plt  # the backend has to be chosen first
from matplotlib.axes import Axes

from training.evaluation.evidence_length import LengthResult
from training.evaluation.robustness import ConditionResult
from training.evaluation.swaps import HORIZON_SECONDS, SwapStudy, TimeToDetect
from training.metrics import Estimate

_DPI = 110
_PANELS_A_ROW = 3


def save_lengths(windows: Sequence[LengthResult], evidence: Sequence[LengthResult], path: Path) -> None:
    """Equal error rate against the length of a window, and against seconds of evidence in a call."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2), constrained_layout=True, sharey=True)
    _errors(left, [one.frames for one in windows], [one.accuracy.equal_error for one in windows])
    _errors(right, [one.seconds for one in evidence], [one.accuracy.equal_error for one in evidence])
    left.set(xlabel="frames in a window", ylabel="equal error rate", title="One window against one window")
    right.set(xlabel="seconds of evidence", title="Template against a stretch of a call")
    _log_ticks(left, [one.frames for one in windows])
    _log_ticks(right, [one.seconds for one in evidence])
    figure.savefig(path, dpi=_DPI)
    plt.close(figure)


def save_detection(study: SwapStudy, told: Sequence[TimeToDetect], path: Path) -> None:
    """How many swaps are found by when, and what waiting for fewer false alarms costs."""
    figure, (found, cost) = plt.subplots(1, 2, figsize=(11, 4.2), constrained_layout=True)
    for one in told:
        wanted = "guard's threshold" if one.target_per_hour is None else f"false alarms/h: {one.target_per_hour:g}"
        seconds = np.sort(study.decided(one.threshold))
        reached = np.arange(1, len(seconds) + 1) / len(seconds)
        shown = np.isfinite(seconds)
        found.step(
            np.concatenate([[0], seconds[shown], [HORIZON_SECONDS]]),
            np.concatenate([[0], reached[shown], [float(shown.mean())]]),
            where="post",
            label=f"{wanted}, {one.threshold:+.1f} nats",
        )
    found.set(xlabel="seconds after the swap", ylabel="swaps found", title="Swaps found in time", ylim=(0, 1.02))
    found.legend(fontsize=8, loc="lower right")
    rate = study.alarms.sum(axis=0) / study.hours.sum()
    medians = np.array([study.median(float(nats)) for nats in study.thresholds])
    seen = rate > 0
    cost.plot(rate[seen], medians[seen], ".-", markersize=3)
    low, high = (float(rate[seen].min()) / 2, float(rate[seen].max()) * 2) if seen.any() else (0.1, 10.0)
    if 1 / study.recorded_hours > low:
        cost.axvspan(low, 1 / study.recorded_hours, color="0.92", label="rarer than once in the recorded video")
    cost.set(
        xscale="log", xlabel="false alarms in a genuine hour", ylabel="median seconds to detect",
        title="What fewer false alarms cost", xlim=(low, max(high, 2 / study.recorded_hours)),
    )  # fmt: skip
    cost.legend(fontsize=8)
    for axes in (found, cost):
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=_DPI)
    plt.close(figure)


def save_conditions(results: Sequence[ConditionResult], path: Path) -> None:
    """Equal error rate of one window against a template, along each way in which a call gets worse."""
    by_axis = {axis: list(group) for axis, group in groupby(results, lambda one: one.axis)}
    rows = -(-len(by_axis) // _PANELS_A_ROW)
    figure, panels = plt.subplots(rows, _PANELS_A_ROW, figsize=(12, 3.8 * rows), constrained_layout=True, squeeze=False)
    for axes in panels.flat[len(by_axis) :]:
        axes.remove()
    for axes, (axis, group) in zip(panels.flat, by_axis.items(), strict=False):
        ordered = sorted((one for one in group if one.accuracy is not None), key=lambda one: one.value)
        _errors(axes, [one.value for one in ordered], [one.accuracy.equal_error for one in ordered if one.accuracy])
        outside = [one for one in ordered if not one.in_range]
        axes.plot(
            [one.value for one in outside],
            [one.accuracy.equal_error.value for one in outside if one.accuracy],
            "x", color="tab:red", markersize=10, label="the guard abstains",
        )  # fmt: skip
        axes.set(xlabel=axis, ylim=(0, 0.6))
        if outside:
            axes.legend(fontsize=8)
    for first in panels[:, 0]:
        first.set_ylabel("equal error rate, one window")
    figure.savefig(path, dpi=_DPI)
    plt.close(figure)


def _errors(axes: Axes, places: Sequence[float], estimates: Sequence[Estimate]) -> None:
    value = np.array([estimate.value for estimate in estimates])
    low, high = (np.array([getattr(estimate, end) for estimate in estimates]) for end in ("low", "high"))
    axes.errorbar(places, value, yerr=[np.maximum(value - low, 0), np.maximum(high - value, 0)], fmt="o-", capsize=3)
    axes.grid(alpha=0.3)


def _log_ticks(axes: Axes, places: Sequence[float]) -> None:
    axes.set_xscale("log")
    axes.set_xticks(list(places), [f"{place:g}" for place in places])
    axes.minorticks_off()
    axes.set_ylim(bottom=0)
