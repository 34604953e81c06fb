"""Where a clip is cut: one box that stands still for the whole clip, as in the live path.

The live path's face detector belongs to the guard, which training must not import. So the box comes from a face track,
which `engines.pixels.crop_from_eyes` turns into the framing of that detector, or is the whole picture.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal, Protocol
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from engines.pixels import EYES_TO_FACE_CENTER, FACE_TO_CROP, FACE_TO_EYES, CropBox, crop_from_eyes
from training.data.manifest import ManifestRow
from training.errors import DataError

INNER_REACH = 0.15
SIZE_RATIO = 1.3
"""The live path draws another box, and begins another segment, for a face that strays further from the middle than this
share of the crop's side or that grows or shrinks by more than this factor."""

MIN_FACE_PX = 40
"""The live path takes no smaller face."""

LONGEST_LOSS_FRAMES = 12
"""A face that is out of sight for longer, half a second, may be another one when it comes back."""

FramingName = Literal["track", "whole"]


@dataclass(frozen=True, slots=True)
class Frame:
    """Box of a clip. frames: how many the clip must have; None where nothing says so."""

    box: CropBox
    frames: int | None


class Framing(Protocol):
    """Decides on the box of each clip."""

    @property
    def name(self) -> FramingName:
        """Clips of different framings do not mix."""

    def frame(self, row: ManifestRow, width_px: int, height_px: int, /) -> Frame:
        """Raises DataError for a clip that has no box, or none that serves all of it."""


@dataclass(frozen=True, slots=True)
class WholePicture:
    """The whole of a square picture, for generators' output that is all face; what the published recipe learns from."""

    name: FramingName = "whole"

    def frame(self, _row: ManifestRow, width_px: int, height_px: int, /) -> Frame:
        """See Framing."""
        if width_px != height_px:
            raise DataError(f"its picture of {width_px}x{height_px} is not square; it needs a face track")
        return Frame(CropBox(0, 0, width_px), None)


@dataclass(frozen=True, slots=True)
class FaceTrack:
    """eyes: float32 (T, 3), x and y of the point between the outer eye corners and their distance, in pixels.

    seen: bool (T,).
    """

    eyes: NDArray[np.float32]
    seen: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class TrackedFaces:
    """The median of each clip's face track."""

    tracks: Mapping[str, FaceTrack]
    name: FramingName = "track"

    @classmethod
    def load(cls, folder: Path, rows: Sequence[ManifestRow]) -> TrackedFaces:
        """The tracks of these clips as far as there are any. Raises DataError where `folder`/tracks.npz is unfit."""
        path = folder / "tracks.npz"
        try:
            with path.open("rb") as file, np.load(file) as arrays:
                keys = {track_key(row) for row in rows} & {name.rpartition("|")[0] for name in arrays.files}
                return cls({key: _track(arrays[f"{key}|frame"], arrays[f"{key}|ok"]) for key in keys})
        except (OSError, KeyError, ValueError, BadZipFile) as error:
            raise DataError(f"cannot read the face tracks in {path}: {error}") from error

    def frame(self, row: ManifestRow, width_px: int, height_px: int, /) -> Frame:
        """See Framing."""
        key = track_key(row)
        if key not in self.tracks:
            raise DataError(f"there is no face track {key}, so nothing says where its face is")
        track = self.tracks[key]
        _check_seen(track.seen)
        seen = track.eyes[track.seen]
        x, y, distance = np.median(seen, axis=0).tolist()
        if not (0 <= x < width_px and 0 <= y < height_px):
            raise DataError(f"its track has the eyes at ({x:.0f}, {y:.0f}), outside its {width_px}x{height_px} picture")
        if distance * FACE_TO_EYES < MIN_FACE_PX:
            raise DataError(f"its face of {distance * FACE_TO_EYES:.0f} pixels is too small, {MIN_FACE_PX} are needed")
        _check_stays(seen, np.flatnonzero(track.seen))
        return Frame(crop_from_eyes((x, y), distance), len(track.seen))


def choose(tracks: Path | None, whole: bool, rows: Sequence[ManifestRow]) -> Framing:
    """The framing that the command line asks for. Raises DataError where it is not just one."""
    if whole == (tracks is not None):
        raise DataError("give either --tracks FOLDER or --whole: where in the picture is the face?")
    return TrackedFaces.load(tracks, rows) if tracks is not None else WholePicture()


def track_key(row: ManifestRow) -> str:
    """The key of a clip's track."""
    return row.track or str(PurePosixPath(row.path).with_suffix(""))


def _track(frame: NDArray[np.float32], seen: NDArray[np.bool_]) -> FaceTrack:
    if frame.ndim != 2 or frame.shape[1] < 3 or seen.shape != frame.shape[:1] or seen.dtype != np.bool_:
        raise ValueError(f"a track of shape {frame.shape} with flags {seen.shape} {seen.dtype}")
    return FaceTrack(frame[:, :3].astype(np.float32), seen)


def _check_seen(seen: NDArray[np.bool_]) -> None:
    if not seen.any():
        raise DataError("its track has no frame with a face")
    edges = np.flatnonzero(np.diff(np.concatenate([[True], seen, [True]]).astype(np.int8)))
    losses = edges[1::2] - edges[::2]
    if losses.size and losses.max() > LONGEST_LOSS_FRAMES:
        worst = int(losses.argmax())
        raise DataError(f"its face is out of sight for {losses[worst]} frames from frame {edges[2 * worst]}")


def _check_stays(eyes: NDArray[np.float32], numbers: NDArray[np.int64]) -> None:
    """Raises DataError for a face that leaves the still box or changes its size. numbers: of the frames."""
    median = np.median(eyes, axis=0)
    centers = eyes[:, :2] + eyes[:, 2:] * np.array([0, EYES_TO_FACE_CENTER])
    center = median[:2] + median[2] * np.array([0, EYES_TO_FACE_CENTER])
    stray = np.abs(centers - center).max(axis=1) / (median[2] * FACE_TO_EYES * FACE_TO_CROP)
    growth = np.maximum(eyes[:, 2] / median[2], median[2] / eyes[:, 2])
    if stray.max() > INNER_REACH:
        raise DataError(
            f"its face strays {stray.max():.3f} of the crop's side from where it mostly is ({INNER_REACH} at most), "
            f"at frame {numbers[stray.argmax()]}: cut the clip in parts"
        )
    if growth.max() > SIZE_RATIO:
        raise DataError(
            f"its face grows or shrinks by {growth.max():.2f} ({SIZE_RATIO} at most), at frame "
            f"{numbers[growth.argmax()]}: cut the clip in parts"
        )
