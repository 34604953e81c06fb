"""Calls in which several drivers drive one face, as a tracker sees them: what the witness is calibrated on.

Folders of `guard-train fusion calls` and `track`. On people's own faces a tracker sees the face, too; here it cannot
help, since all drivers of a face are compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from engines.expressions.series import windows
from training.errors import DataError
from training.evaluate import DriverEmbeddings
from training.evaluation.witness_calls import load_tracks
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
    """All calls of a folder whose two sides fill a window each. Raises DataError where fewer than two do."""
    calls = []
    for call in load_tracks(folder):
        enrol, probe = (
            windows(side, RATE_HZ, WINDOW_FRAMES, WINDOW_FRAMES // 2, reads="blendshapes")
            for side in (call.enrol, call.probe)
        )
        if len(enrol) and len(probe):
            calls.append(TrackedCall(call.driver, call.face, enrol, probe))
    if len(calls) < 2:
        raise DataError(f"{folder} holds {len(calls)} calls whose sides fill a window; two at least are needed")
    return calls


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
