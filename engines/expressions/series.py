"""Samples of an expression in time, as a tracker gives them, and the windows that a witness takes.

Trackers, cameras and thinning make steps of uneven length; a witness is trained at one rate. So windows are made from
time stamps, by linear interpolation, and never across a gap: what a face did while it was not seen is not known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from engines.errors import EngineInputError
from engines.expressions.face_landmarker import BLENDSHAPES
from engines.expressions.signals import SIGNAL_NAMES

Reads = Literal["signals", "blendshapes"]
"""Which series of a tracked face somebody reads."""

LONGEST_GAP_SECONDS = 0.5
"""Between two samples that show a face; our own choice: a blink that falls into it is lost, an expression is not."""


@dataclass(frozen=True, slots=True)
class ExpressionSeries:
    """What a tracker saw of one face.

    seconds: float64 (n,), media time, strictly increasing. blendshapes: float32 (n, 52), 0-1. signals: float32 (n, 17).
    found: bool (n,), False where there was no face; the row's numbers then mean nothing. Raises EngineInputError for
    other shapes, and for time that stands or runs back.
    """

    seconds: NDArray[np.float64]
    blendshapes: NDArray[np.float32]
    signals: NDArray[np.float32]
    found: NDArray[np.bool_]

    def __post_init__(self) -> None:
        rows = len(self.seconds)
        wanted = {"blendshapes": (rows, BLENDSHAPES), "signals": (rows, len(SIGNAL_NAMES)), "found": (rows,)}
        for name, shape in wanted.items():
            if (got := getattr(self, name).shape) != shape:
                raise EngineInputError(f"an expression series of {rows} samples needs {name} {shape}, not {got}")
        if not np.isfinite(self.seconds).all() or (np.diff(self.seconds) <= 0).any():
            raise EngineInputError("the time of an expression series must grow from sample to sample")

    def __len__(self) -> int:
        return len(self.seconds)


def windows(
    series: ExpressionSeries, rate_hz: float, frames: int, hop: int, *, reads: Reads = "signals"
) -> NDArray[np.float32]:
    """All windows that the series holds: float32 (m, frames, C), C = 17 for signals, 52 for blendshapes.

    Samples at `rate_hz` per second, the next window `hop` of these later. Each run without a gap of more than
    LONGEST_GAP_SECONDS begins anew, and what is left at its end is dropped. Raises EngineInputError for a rate, length
    or hop that is not positive.
    """
    if not (rate_hz > 0 and frames > 0 and hop > 0):
        raise EngineInputError(f"windows need a positive rate, length and hop, not {rate_hz}, {frames}, {hop}")
    values = series.signals if reads == "signals" else series.blendshapes
    found = [run for run in even_runs(series, values, rate_hz) if len(run) >= frames]
    cut = [run[start : start + frames] for run in found for start in range(0, len(run) - frames + 1, hop)]
    return np.stack(cut) if cut else np.empty((0, frames, values.shape[1]), np.float32)


def even_runs(series: ExpressionSeries, values: NDArray[np.float32], rate_hz: float) -> list[NDArray[np.float32]]:
    """Every run of found faces without a gap, at even steps from its first sample on: float32 (k, C) each.

    values: float32 (n, C), rows of the series. A row that is not finite counts as no face.
    """
    usable = series.found & np.isfinite(values).all(axis=1)
    seconds, rows = series.seconds[usable], values[usable]
    breaks = np.flatnonzero(np.diff(seconds) > LONGEST_GAP_SECONDS) + 1
    runs = zip(np.split(seconds, breaks), np.split(rows, breaks), strict=True)
    return [_evenly(times, run, rate_hz) for times, run in runs if len(times)]


def _evenly(seconds: NDArray[np.float64], rows: NDArray[np.float32], rate_hz: float) -> NDArray[np.float32]:
    since = seconds - seconds[0]
    # A step that rounding puts past the last sample by less than a thousandth of itself is that sample.
    steps = int(np.floor(since[-1] * rate_hz + 1e-3)) + 1
    return at_times(np.arange(steps) / rate_hz, since, rows)


def at_times(
    wanted: NDArray[np.float64], seconds: NDArray[np.float64], rows: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Rows (n, C) that were seen at `seconds` (n,), at other times (k,) between them: float32 (k, C)."""
    return np.stack([np.interp(wanted, seconds, column) for column in rows.T], axis=1).astype(np.float32)
