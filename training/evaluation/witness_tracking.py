"""Tracks the faces of rendered calls (`guard-train fusion track`), with MediaPipe and without torch."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engines.expressions.crops import enlarged
from engines.expressions.face_landmarker import BLENDSHAPES, LANDMARKER_SHA256, FindFace
from engines.expressions.signals import SIGNAL_NAMES, landmark_signals
from training.data.array_file import save_arrays
from training.evaluation.witness_calls import SIDES, Arrays, call_files, opened, track_file

TRACKED_HZ = 12.5
"""Pictures a second that are tracked, as the guard does unless it is told otherwise."""


def track_calls(
    calls: Path, finder: Callable[[], AbstractContextManager[FindFace]], advance: Callable[[int], None]
) -> tuple[int, int]:
    """Track what a live tracker would be handed of every call that has no track yet.

    Returns how many pictures that are, and how many show a face.

    finder: makes one for each recording. Raises DataError for a folder without calls.
    """
    pictures = found = 0
    for number, path in enumerate(call_files(calls), 1):
        kept = track_file(path)
        if not _is_tracked(kept):
            arrays: Arrays = {"landmarker": np.array(LANDMARKER_SHA256), "rate_hz": np.array(TRACKED_HZ)}
            with opened(path) as rendered:
                arrays |= {name: rendered[name] for name in ("driver", "face")}
                for side in SIDES:
                    with finder() as find:
                        track = _tracked(rendered[f"{side}_frames"], float(rendered["fps"]), find)
                    arrays |= {f"{side}_{name}": value for name, value in track.items()}
            save_arrays(kept, arrays)
        with opened(kept) as tracked:
            seen = [tracked[f"{side}_found"] for side in SIDES]
        pictures, found = pictures + sum(map(len, seen)), found + sum(int(side.sum()) for side in seen)
        advance(number)
    return pictures, found


def _is_tracked(kept: Path) -> bool:
    """At this rate; at another one it is tracked again."""
    if not kept.exists():
        return False
    with opened(kept) as tracked:
        return float(tracked["rate_hz"]) == TRACKED_HZ


def tracked_frames(frames: int, fps: float, rate_hz: float) -> NDArray[np.int64]:
    """Which of so many frames are tracked, int64 (m,): the first behind each step of an even grid in time."""
    steps = np.arange(int(np.ceil(frames / fps * rate_hz)))
    chosen: NDArray[np.int64] = np.ceil(steps * (fps / rate_hz) - 1e-6).astype(np.int64)
    return chosen[chosen < frames]


def _tracked(frames: NDArray[np.uint8], fps: float, find: FindFace) -> Arrays:
    chosen = tracked_frames(len(frames), fps, TRACKED_HZ)
    pictures, seconds = frames[chosen], chosen / fps
    blendshapes = np.zeros((len(pictures), BLENDSHAPES), np.float32)
    signals = np.zeros((len(pictures), len(SIGNAL_NAMES)), np.float32)
    found = np.zeros(len(pictures), np.bool_)
    for place, (picture, time) in enumerate(zip(pictures, seconds, strict=True)):
        face = find(enlarged(picture), round(float(time) * 1000))
        if face is not None:
            blendshapes[place], found[place] = face.blendshapes, True
            signals[place] = landmark_signals(face.points[None])[0]
    return {"seconds": seconds, "blendshapes": blendshapes, "signals": signals, "found": found}
