"""Calls of unseen drivers as the engine and a face tracker see them: what `guard-train fusion` weighs opinions on.

A folder holds `call_NNNN.npz` for each driver: every frame that arrived (`witness_rendering`); `track_NNNN.npz`: what
the tracker saw in those that a live one would be handed (`witness_tracking`); and `heard_NNNN.npz`: what an engine
makes of all of them (`witness_hearing`), which alone is made again for another engine.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
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
class SeenCall:
    """What the tracker saw of one driver on one face, who is enrolled and then probed."""

    driver: int
    face: int
    enrol: ExpressionSeries
    probe: ExpressionSeries


@dataclass(frozen=True, slots=True)
class HeardSide:
    """One recording: embeddings float32 (n, D) of every frame, and what the tracker saw."""

    embeddings: NDArray[np.float32]
    track: ExpressionSeries


@dataclass(frozen=True, slots=True)
class HeardCall:
    """One driver on one face, enrolled and then heard."""

    driver: int
    face: int
    enrol: HeardSide
    probe: HeardSide


def load_tracks(calls: Path) -> list[SeenCall]:
    """All calls of a folder. Raises DataError where there are none, or one has not been tracked yet."""
    return [_track(path) for path in call_files(calls)]


def load_calls(calls: Path, model_sha256: str) -> list[HeardCall]:
    """All calls of a folder and what the engine of this model makes of them.

    Raises DataError where there are none, or one has not been tracked yet, or was not heard by this engine.
    """
    return [_heard(path, model_sha256) for path in call_files(calls)]


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


def heard_file(call: Path) -> Path:
    """Beside the file of its call."""
    return call.with_name(call.name.replace("call_", "heard_"))


@contextmanager
def opened(path: Path) -> Iterator[Mapping[str, NDArray[Any]]]:
    """The arrays of a file; each is read when it is asked for. Raises DataError where it is damaged."""
    try:
        with path.open("rb") as file, np.load(file) as arrays:
            yield arrays
    except (OSError, KeyError, ValueError, BadZipFile) as error:
        raise DataError(f"{path} is damaged ({error}); delete it and make it again") from error


def _track(path: Path) -> SeenCall:
    kept = track_file(path)
    if not kept.exists():
        raise DataError(f"{path.name} has not been tracked; run `guard-train fusion track {path.parent}` first")
    with opened(kept) as tracked:
        enrol, probe = (
            ExpressionSeries(*(tracked[f"{side}_{name}"] for name in ("seconds", "blendshapes", "signals", "found")))
            for side in SIDES
        )
        return SeenCall(int(tracked["driver"]), int(tracked["face"]), enrol, probe)


def _heard(path: Path, model_sha256: str) -> HeardCall:
    kept, seen = heard_file(path), _track(path)
    wanted = f"run `guard-train fusion hear {path.parent}` with this engine first"
    if not kept.exists():
        raise DataError(f"{path.name} has been heard by no engine; {wanted}")
    with opened(kept) as heard:
        if str(heard["engine"]) != model_sha256:
            raise DataError(f"{path.name} was heard by another engine; {wanted}")
        enrol, probe = (HeardSide(heard[f"{side}_embeddings"], getattr(seen, side)) for side in SIDES)
    return HeardCall(seen.driver, seen.face, enrol, probe)
