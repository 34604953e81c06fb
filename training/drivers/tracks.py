"""Real drivers: the motion tracks of people, without their faces, at one frame rate.

Reads the folder layout `tracks/{tracks.npz, basis.npz, index.csv}` beside `faces/manifest.csv`, which
`guard-train track` writes (`data/tracking_run.py`).
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from training.drivers.landmarks import MEDIAPIPE_INDICES
from training.drivers.motion import DriverMotion, relative_head, relative_motion
from training.drivers.resampling import resample, segments
from training.errors import DataError

Split = Literal["train", "val", "test"]

MOTION_FPS = 30.0
_LONGEST_GAP_FRAMES = 2
_SHORTEST_SECONDS = 0.8


@dataclass(frozen=True, slots=True)
class MotionTrack:
    """One unbroken stretch of one clip of one real driver."""

    driver: str
    session: str
    """Pseudo-session `driver/sNN` or the clip itself: pairs of different sessions are the harder, fairer ones."""
    source: str
    split: Split
    clip: str
    motion: DriverMotion


@dataclass(frozen=True, slots=True)
class TrackClip:
    """A recording that the folder holds tracks of; arrays are stored under its key."""

    key: str
    fps: float
    driver: str
    session: str
    source: str
    split: Split


def load_tracks(data: Path, fps: float = MOTION_FPS) -> list[MotionTrack]:
    """All tracks under a data folder as relative motion at `fps`. Raises DataError where files are missing or unfit."""
    folder = data / "tracks"
    try:
        clips = list(track_clips(folder / "index.csv", data / "faces" / "manifest.csv"))
        with (folder / "basis.npz").open("rb") as file, np.load(file) as basis:
            mean = basis["mean"][MEDIAPIPE_INDICES]
            components = basis["components"][:, MEDIAPIPE_INDICES]
        with (folder / "tracks.npz").open("rb") as file, np.load(file) as arrays:
            return [track for clip in clips for track in _clip_tracks(clip, arrays, mean, components, fps)]
    except (OSError, KeyError, ValueError, BadZipFile) as error:
        raise DataError(
            f"cannot read the motion tracks in {folder}: {error}; expected tracks/ beside faces/"
        ) from error


def track_clips(index: Path, manifest: Path) -> Iterator[TrackClip]:
    """All recordings of an index. Raises DataError where one belongs to nobody in the manifest."""
    with manifest.open(newline="") as file:
        people = {row["driver"]: cast("Split", row["split"]) for row in csv.DictReader(file)}
    with index.open(newline="") as file:
        for row in csv.DictReader(file):
            source, person, clip = row["key"].split("/")
            driver = person if person in people else f"{source}_{person}"
            if driver not in people:
                raise DataError(f"track {row['key']} belongs to nobody in {manifest}")
            # anchors' clips are named sNN_<number>: NN is the pseudo-session; elsewhere each clip is its own
            session = row.get("session") or (clip.partition("_")[0] if source == "lrw_ar" else clip)
            yield TrackClip(row["key"], float(row["fps"]), driver, f"{driver}/{session}", source, people[driver])


def _clip_tracks(
    clip: TrackClip,
    arrays: np.lib.npyio.NpzFile,
    mean: NDArray[np.float32],
    components: NDArray[np.float32],
    fps: float,
) -> Iterator[MotionTrack]:
    coefficients = arrays[f"{clip.key}|shape"].astype(np.float32)
    frame = arrays[f"{clip.key}|frame"].astype(np.float32)
    ok = arrays[f"{clip.key}|ok"]
    if not ok.any():
        return
    shape = mean + (coefficients @ components.reshape(len(components), -1)).reshape(-1, *mean.shape)
    landmarks = relative_motion(shape, np.median(shape[ok], axis=0))
    head = relative_head(np.where(ok[:, None], frame, np.median(frame[ok], axis=0)))
    for start, end in segments(ok, _LONGEST_GAP_FRAMES):
        kept = np.flatnonzero(ok[start:end]) + start
        if (end - start) / clip.fps >= _SHORTEST_SECONDS:
            motion = _resampled(landmarks[kept], head[kept], kept / clip.fps, fps)
            yield MotionTrack(clip.driver, clip.session, clip.source, clip.split, clip.key, motion)


def _resampled(
    landmarks: NDArray[np.float32], head: NDArray[np.float32], seconds: NDArray[np.float64], fps: float
) -> DriverMotion:
    count = int(np.floor((seconds[-1] - seconds[0]) * fps + 1e-6)) + 1
    to_seconds = seconds[0] + np.arange(count) / fps
    flat = np.concatenate([landmarks.reshape(len(landmarks), -1), head], axis=1)
    smooth = resample(flat, seconds, to_seconds)
    return DriverMotion(smooth[:, :-4].reshape(count, -1, 2), smooth[:, -4:], fps)
