"""Calls of unseen drivers as the engine and a face tracker see them: what `guard-train fusion` weighs opinions on.

A folder holds `call_NNNN.npz` for each driver: what the engine makes of every frame, and the pictures that a live
tracker would be handed (`witness_rendering`); and `track_NNNN.npz`: what the tracker saw in these (`witness_tracking`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from engines.expressions.series import ExpressionSeries
from training.errors import DataError

SIDES = ("enrol", "probe")

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class HeardSide:
    """One recording: embeddings float32 (n, D) and valid float32 (n,) of every frame, and what the tracker saw."""

    embeddings: NDArray[np.float32]
    valid: NDArray[np.float32]
    track: ExpressionSeries


@dataclass(frozen=True, slots=True)
class HeardCall:
    """One driver on one face, enrolled and then heard."""

    driver: int
    face: int
    enrol: HeardSide
    probe: HeardSide


def load_calls(calls: Path) -> list[HeardCall]:
    """All calls of a folder. Raises DataError where there are none, or one has not been tracked yet."""
    return [_load(path) for path in call_files(calls)]


def call_files(calls: Path) -> Sequence[Path]:
    """The files of a folder's calls, in order. Raises DataError for a folder without any."""
    found = sorted(calls.glob("call_*.npz"))
    if not found:
        raise DataError(f"no calls in {calls}; render some with `guard-train fusion calls --out {calls}`")
    return found


def call_file(folder: Path, number: int) -> Path:
    """Of a driver."""
    return folder / f"call_{number:04d}.npz"


def track_file(call: Path) -> Path:
    """Beside the file of its call."""
    return call.with_name(call.name.replace("call_", "track_"))


def _load(path: Path) -> HeardCall:
    kept = track_file(path)
    if not kept.exists():
        raise DataError(f"{path.name} has not been tracked; run `guard-train fusion track {path.parent}` first")
    try:
        with path.open("rb") as call, kept.open("rb") as track, np.load(call) as rendered, np.load(track) as tracked:
            sides = [_side(rendered, tracked, side) for side in SIDES]
            return HeardCall(int(rendered["driver"]), int(rendered["face"]), *sides)
    except (OSError, KeyError, ValueError, BadZipFile) as error:
        raise DataError(f"{path} or its track is damaged ({error}); delete both and make them again") from error


def _side(rendered: Any, tracked: Any, side: str) -> HeardSide:
    series = (tracked[f"{side}_{name}"] for name in ("blendshapes", "signals", "found"))
    track = ExpressionSeries(rendered[f"{side}_seconds"], *series)
    return HeardSide(rendered[f"{side}_embeddings"], rendered[f"{side}_valid"], track)
