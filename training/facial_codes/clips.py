"""Recordings of expressions: what codes are learnt of and counted in, whoever tracked them.

One feature space only: blendshapes of MediaPipe and action units of OpenFace are kept apart, each with codes of its own
(seed_systems.md 4.2).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from training.drivers.tracks import Split, track_clips
from training.errors import DataError

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ExpressionClip:
    """values: float32 (n, C), coefficients of the frames that show a face. seconds: float64 (n,), increasing."""

    person: str
    session: str
    source: str
    split: Split
    values: Floats
    seconds: NDArray[np.float64]


def blendshape_clips(data: Path) -> list[ExpressionClip]:
    """Blendshapes (n, 51), `_neutral` left out, of all recordings in a folder with tracks/ and faces/.

    Frames without a face are left out, recordings without one, too. Raises DataError where files are missing or unfit.
    """
    folder = data / "tracks"
    try:
        found = list(track_clips(folder / "index.csv", data / "faces" / "manifest.csv"))
        with (folder / "tracks.npz").open("rb") as file, np.load(file) as arrays:
            clips = [
                ExpressionClip(
                    clip.driver, clip.session, clip.source, clip.split,
                    (arrays[f"{clip.key}|blend"][:, 1:] / np.float32(255)).astype(np.float32),
                    np.arange(len(arrays[f"{clip.key}|ok"])) / clip.fps,
                )
                for clip in found
            ]  # fmt: skip
            seen = [arrays[f"{clip.key}|ok"] for clip in found]
    except (OSError, KeyError, ValueError, BadZipFile) as error:
        raise DataError(f"cannot read blendshapes in {folder}: {error}; expected tracks/ beside faces/") from error
    kept = [
        replace(clip, values=clip.values[ok], seconds=clip.seconds[ok]) for clip, ok in zip(clips, seen, strict=True)
    ]
    return [clip for clip in kept if len(clip.values)]


def levelled(clip: ExpressionClip) -> ExpressionClip:
    """The clip about its own median: raw levels tell a face and a camera more than a driver."""
    return replace(clip, values=(clip.values - np.median(clip.values, axis=0)).astype(np.float32))


def at_rate(clip: ExpressionClip, rate_hz: float) -> ExpressionClip:
    """The clip at even steps by linear interpolation, as a live call's samples are (`engines.expressions.series`)."""
    count = int(np.floor((clip.seconds[-1] - clip.seconds[0]) * rate_hz + 1e-6)) + 1
    seconds = clip.seconds[0] + np.arange(count) / rate_hz
    values = np.stack([np.interp(seconds, clip.seconds, column) for column in clip.values.T], axis=1)
    return replace(clip, values=values.astype(np.float32), seconds=seconds)


def of_split(clips: Sequence[ExpressionClip], *splits: Split) -> list[ExpressionClip]:
    return [clip for clip in clips if clip.split in splits]


def frames(clips: Sequence[ExpressionClip]) -> Floats:
    """All frames one after the other, (sum of n, C). Raises DataError where there are none."""
    if not clips:
        raise DataError("there are no recordings to take frames of")
    return np.concatenate([clip.values for clip in clips])


def even_people(clips: Sequence[ExpressionClip]) -> Floats:
    """Weight of each frame, so that people count by the root of what there is of them: (sum of n,).

    The news anchors have forty times as many frames as others; neither they nor a single short clip shall rule (ours).
    """
    total: Counter[str] = Counter()
    for clip in clips:
        total[clip.person] += len(clip.values)
    return np.concatenate([np.full(len(clip.values), total[clip.person] ** -0.5, np.float32) for clip in clips])
