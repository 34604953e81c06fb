"""Where a clip is cut: one box that stands still for the whole clip, as in the live path.

The box is the one that the live path's own detector draws in the first frame, or comes from a face track, which
`engines.pixels.crop_from_eyes` turns into the framing of that detector, or is the whole picture. A face that leaves its
box would begin another segment in a call; such a clip has no box.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal, Protocol
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from engines.face_detector import MIN_FACE_PX, FaceDetector, SlimFaceDetector
from engines.pacer import Pace, Pacer
from engines.pixels import EYES_TO_FACE_CENTER, FACE_TO_EYES, CropBox, FaceBox, LumaPlane, crop_from_eyes
from engines.stable_crop import INNER_REACH, SIZE_RATIO, StableCrop, fits, growth, stray_px
from training.data.manifest import ManifestRow
from training.errors import DataError

LONGEST_LOSS_FRAMES = 12
"""A face that is out of sight for longer, half a second, may be another one when it comes back."""

FramingName = Literal["track", "whole", "detect"]


class Frame(Protocol):
    """The box of one clip, asked for at every frame from the first to the last."""

    def at(self, seconds: float, luma: LumaPlane, /) -> CropBox:
        """The same box each time. seconds: media time from the first frame.

        Raises DataError where the box no longer holds the face.
        """

    def finish(self, frames: int, /) -> None:
        """Raises DataError where the box does not serve a clip that ends after so many frames."""


@dataclass(frozen=True, slots=True)
class StillFrame:
    """A box that is known beforehand. frames: how many the clip must have; None where nothing says so."""

    box: CropBox
    frames: int | None

    def at(self, _seconds: float, _luma: LumaPlane, /) -> CropBox:
        """See Frame."""
        return self.box

    def finish(self, frames: int, /) -> None:
        """See Frame."""
        if self.frames is not None and self.frames != frames:
            raise DataError(f"has {frames} frames and its track {self.frames}: the track belongs to another video")


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

    def frame(self, _row: ManifestRow, width_px: int, height_px: int, /) -> StillFrame:
        """See Framing."""
        if width_px != height_px:
            raise DataError(f"its picture of {width_px}x{height_px} is not square; use --tracks or --detect")
        return StillFrame(CropBox(0, 0, width_px), None)


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

    def frame(self, row: ManifestRow, width_px: int, height_px: int, /) -> StillFrame:
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
        box = crop_from_eyes((x, y), distance)
        for number in np.flatnonzero(track.seen).tolist():
            _check_stays(box, _face_around(track.eyes[number]), number)
        return StillFrame(box, len(track.seen))


class WatchedFrame:
    """The box that the live path draws in the first frame, for as long as the live path would leave it there."""

    def __init__(self, detector: FaceDetector) -> None:
        self._detector = detector
        self._pacer = Pacer()
        self._crop = StableCrop()
        self._box: CropBox | None = None
        self._frames = 0
        self._frames_with_face = 0
        """Up to and with the newest one before a look that found nothing."""

    def at(self, seconds: float, luma: LumaPlane, /) -> CropBox:
        """See Frame."""

        def look(near: CropBox | None) -> FaceBox | None:
            face = self._detector.detect(luma, near)
            if near is not None and face is not None:
                _check_stays(near, face, self._frames)
            return face

        if self._pacer.step(seconds) is not Pace.SKIP:
            self._box = self._crop.update(seconds, (luma.width_px, luma.height_px), look)
        self._frames += 1
        if self._crop.misses == 0:
            self._frames_with_face = self._frames
        if self._box is None:
            raise self._lost()
        return self._box

    def finish(self, _frames: int, /) -> None:
        """See Frame."""
        if self._crop.misses:
            raise self._lost()

    def _lost(self) -> DataError:
        return DataError(f"no face of {MIN_FACE_PX} pixels or more is found from frame {self._frames_with_face}")


@dataclass(frozen=True, slots=True)
class DetectedFaces:
    """The live path's detector and still crop. detector: safe to use in several threads."""

    detector: FaceDetector = field(default_factory=SlimFaceDetector)
    name: FramingName = "detect"

    def frame(self, _row: ManifestRow, _width_px: int, _height_px: int, /) -> WatchedFrame:
        """See Framing."""
        return WatchedFrame(self.detector)


def choose(tracks: Path | None, whole: bool, detect: bool, rows: Sequence[ManifestRow]) -> Framing:
    """The framing that the command line asks for. Raises DataError where it is not just one."""
    if (tracks is not None) + whole + detect != 1:
        raise DataError("give just one of --tracks FOLDER, --whole and --detect: where in the picture is the face?")
    if tracks is not None:
        return TrackedFaces.load(tracks, rows)
    return WholePicture() if whole else DetectedFaces()


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


def _face_around(eyes: NDArray[np.float32]) -> FaceBox:
    """The face that the live path's detector would find. eyes: (3,), see FaceTrack."""
    x, y, distance = eyes.tolist()
    side = distance * FACE_TO_EYES
    return FaceBox(x - side / 2, y + EYES_TO_FACE_CENTER * distance - side / 2, side, side, 1.0)


def _check_stays(box: CropBox, face: FaceBox, number: int) -> None:
    """Raises DataError for a face for which the live path would draw another box. number: of the frame."""
    if fits(box, face):
        return
    stray, size = stray_px(box, face) / box.side, growth(box, face)
    if stray > INNER_REACH:
        raise DataError(
            f"its face strays {stray:.3f} of the crop's side from its middle ({INNER_REACH} at most), at frame "
            f"{number}: cut the clip in parts"
        )
    raise DataError(
        f"its face grows or shrinks by {max(size, 1 / size):.2f} ({SIZE_RATIO} at most), at frame {number}: "
        "cut the clip in parts"
    )
