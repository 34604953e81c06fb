"""Calls in which several drivers drive one face, as a tracker sees them: what a witness is calibrated on.

One .npz a driver: `driver` and `face` (numbers), and of both sides SIDE (`enrol`, `probe`) `SIDE_seconds` (n,),
`SIDE_blendshapes` (n, 52), `SIDE_signals` (n, 17) and `SIDE_found` (n,), as `engines.expressions.ExpressionSeries` has
them. On people's own faces a tracker sees the face, too; here it cannot help, since all drivers of a face are compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch
from numpy.typing import NDArray

from engines.errors import EngineInputError
from engines.expressions.series import ExpressionSeries, windows
from training.errors import DataError
from training.evaluate import DriverEmbeddings
from training.facial_codes.witness_graph import RATE_HZ, WINDOW_FRAMES, WitnessGraph

FIRST_NUMBER = 1000
"""Drivers of calls are numbered from here on, so that none is taken for a person of recordings."""

Windows = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class TrackedCall:
    """One driver on one face; windows (n, 64, 52) to enrol and to probe, half overlapping."""

    driver: int
    face: int
    enrol: Windows
    probe: Windows


def read_calls(folder: Path) -> list[TrackedCall]:
    """All calls of a folder whose two sides fill a window each. Raises DataError for files that are no calls."""
    files = sorted(folder.glob("*.npz"))
    try:
        calls = [_call(path) for path in files]
    except (OSError, KeyError, ValueError, TypeError, BadZipFile, EngineInputError) as error:
        raise DataError(f"cannot read the tracked calls in {folder}: {error}; expected driver, face, series") from error
    kept = [call for call in calls if len(call.enrol) and len(call.probe)]
    if len({call.driver for call in kept}) < 2:
        raise DataError(f"{folder} holds calls of {len(kept)} drivers that fill a window; two at least are needed")
    return kept


def _call(path: Path) -> TrackedCall:
    with path.open("rb") as file, np.load(file) as arrays:
        sides = [
            ExpressionSeries(
                arrays[f"{side}_seconds"].astype(np.float64),
                arrays[f"{side}_blendshapes"].astype(np.float32),
                arrays[f"{side}_signals"].astype(np.float32),
                arrays[f"{side}_found"].astype(bool),
            )
            for side in ("enrol", "probe")
        ]
        numbers = int(arrays["driver"]), int(arrays["face"])
    enrol, probe = (windows(side, RATE_HZ, WINDOW_FRAMES, WINDOW_FRAMES // 2, reads="blendshapes") for side in sides)
    return TrackedCall(*numbers, enrol, probe)


@torch.no_grad()
def call_embeddings(graph: WitnessGraph, calls: Sequence[TrackedCall]) -> list[DriverEmbeddings]:
    """Both sides of every call, by driver and face."""
    return [
        DriverEmbeddings(
            FIRST_NUMBER + call.driver,
            call.face,
            graph(torch.from_numpy(call.enrol)).numpy(),
            graph(torch.from_numpy(call.probe)).numpy(),
        )
        for call in calls
    ]
