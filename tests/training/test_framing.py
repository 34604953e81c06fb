"""Where clips are cut: as the live path would, or not at all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from engines.pacer import Pace, Pacer
from engines.pixels import CropBox, FaceBox, LumaPlane, crop_from_eyes, face_crop
from training.data.framing import DetectedFaces, FaceTrack, TrackedFaces, WholePicture, choose
from training.data.manifest import ManifestRow
from training.errors import DataError

ROW = ManifestRow("home/ann/a.mp4", "ann", "ann", "s1", "none", "home", "train", "mine")
KEY = "home/ann/a"
SIDE = 318  # of the crop of a face whose eye corners are 100 pixels apart


def still(frames: int = 30) -> NDArray[np.float32]:
    return np.tile(np.array([200, 150, 100], np.float32), (frames, 1))


def tracked(eyes: NDArray[np.float32], seen: NDArray[np.bool_] | None = None) -> TrackedFaces:
    return TrackedFaces({KEY: FaceTrack(eyes, np.ones(len(eyes), bool) if seen is None else seen)})


def test_the_median_face_of_the_seen_frames_is_framed() -> None:
    eyes = still()
    eyes[:5] += [20, 10, 5]
    eyes[20:25] = 0
    seen = np.ones(30, bool)
    seen[20:25] = False
    frame = tracked(eyes, seen).frame(ROW, 640, 360)
    assert frame.box == crop_from_eyes((200, 150), 100)
    assert frame.box.side == SIDE
    assert frame.frames == 30


@pytest.mark.parametrize(
    ("eyes", "told"),
    [
        ((40, 0, 0), None),
        ((48, 0, 0), "strays 0.151 of the crop's side .* at frame 7"),
        ((0, -48, 0), "strays 0.151"),
        ((0, 0, 29), None),
        ((0, 0, 31), "grows or shrinks by 1.31 .* at frame 7"),
        ((0, 0, -24), "grows or shrinks by 1.31"),
    ],
)
def test_a_face_that_leaves_the_box_is_refused(eyes: tuple[float, ...], told: str | None) -> None:
    moved = still()
    moved[7] += eyes
    if told is None:
        assert tracked(moved).frame(ROW, 640, 360).box == crop_from_eyes((200, 150), 100)
        return
    with pytest.raises(DataError, match=told):
        tracked(moved).frame(ROW, 640, 360)


@pytest.mark.parametrize(
    ("lost", "told"),
    [
        (slice(3, 15), None),
        (slice(3, 16), "out of sight for 13 frames from frame 3"),
        (slice(17, 30), "out of sight for 13 frames from frame 17"),
        (slice(0, 30), "no frame with a face"),
    ],
)
def test_a_face_that_is_lost_for_long_is_refused(lost: slice, told: str | None) -> None:
    seen = np.ones(30, bool)
    seen[lost] = False
    if told is None:
        assert tracked(still(), seen).frame(ROW, 640, 360).frames == 30
        return
    with pytest.raises(DataError, match=told):
        tracked(still(), seen).frame(ROW, 640, 360)


def test_unfit_tracks_are_refused() -> None:
    with pytest.raises(DataError, match=r"outside its 160x120 picture"):
        tracked(still()).frame(ROW, 160, 120)
    with pytest.raises(DataError, match="face of 38 pixels is too small"):
        tracked(still() * np.array([1, 1, 0.18], np.float32)).frame(ROW, 640, 360)
    with pytest.raises(DataError, match="no face track home/ann/a"):
        TrackedFaces({}).frame(ROW, 640, 360)


def test_the_whole_of_a_square_picture() -> None:
    assert WholePicture().frame(ROW, 256, 256).box == CropBox(0, 0, 256)
    with pytest.raises(DataError, match="480x360 is not square"):
        WholePicture().frame(ROW, 480, 360)


FACE = FaceBox(200, 120, 100, 100, 0.9)


class Looks:
    """A detector that gives one answer after the other, the last one for ever."""

    def __init__(self, *faces: FaceBox | None) -> None:
        self._faces = list(faces)

    def detect(self, luma: LumaPlane, near: CropBox | None = None) -> FaceBox | None:
        return self._faces.pop(0) if len(self._faces) > 1 else self._faces[0]


def watch(*faces: FaceBox | None, seconds: float = 2.4, fps: int = 32) -> set[CropBox]:
    """The boxes of a clip whose frames 0, 32 and 64 are looked at, and every seventh after one without a face."""
    luma = LumaPlane(np.zeros((360, 640), np.uint8), full_range=True)
    frame = DetectedFaces(Looks(*faces)).frame(ROW, luma.width_px, luma.height_px)
    frames = round(seconds * fps)
    boxes = {frame.at(number / fps, luma) for number in range(frames)}
    frame.finish(frames)
    return boxes


@pytest.mark.parametrize(
    "faces", [(FACE,), (FACE, replace(FACE, x=220), replace(FACE, y=99)), (FACE, *[None] * 5, replace(FACE, x=185))]
)
def test_the_box_of_the_first_frame_holds_a_detected_face(faces: tuple[FaceBox | None, ...]) -> None:
    assert watch(*faces) == {face_crop(FACE)}


@pytest.mark.parametrize(
    ("faces", "told"),
    [
        ((None,), "no face of 40 pixels or more is found from frame 0"),
        ((None, FACE), "is found from frame 0"),
        ((FACE, None), "is found from frame 32"),
        ((FACE, FACE, None), "is found from frame 64"),
        ((FACE, None, FACE, None), "is found from frame 71"),
        ((FACE, replace(FACE, x=224)), "strays 0.160 of the crop's side .* at frame 32"),
        ((FACE, None, replace(FACE, y=-40)), "strays 1.067 .* at frame 39"),
        ((FACE, FACE, FaceBox(180, 100, 140, 140, 0.9)), "grows or shrinks by 1.40 .* at frame 64"),
    ],
)
def test_a_detected_face_that_is_lost_or_leaves_its_box_is_refused(
    faces: tuple[FaceBox | None, ...], told: str
) -> None:
    with pytest.raises(DataError, match=told):
        watch(*faces)


def test_a_fast_video_is_looked_at_where_a_call_would() -> None:
    pacer = Pacer()
    taken = [number for number in range(200) if pacer.step(number / 96) is not Pace.SKIP]
    with pytest.raises(DataError, match=f"at frame {next(number for number in taken if number >= 96)}:"):
        watch(FACE, replace(FACE, x=300), fps=96)


def save(folder: Path, **arrays: Any) -> Path:
    np.savez(folder / "tracks.npz", **{name.replace("_", "|"): value for name, value in arrays.items()})
    return folder


def test_tracks_are_read_by_key_or_path(tmp_path: Path) -> None:
    rows = [ROW, ManifestRow("x.mp4", "bob", "bob", "s1", "none", "home", "train", "mine", track="b")]
    frame, seen = np.tile(np.array([200, 150, 100, 0.1], np.float32), (4, 1)), np.ones(4, bool)
    save(tmp_path, **{f"{KEY}|frame": frame, f"{KEY}|ok": seen, "b|frame": frame, "b|ok": seen, "c|frame": frame})
    tracks = TrackedFaces.load(tmp_path, rows)
    assert set(tracks.tracks) == {KEY, "b"}
    assert tracks.frame(rows[1], 640, 360) == tracks.frame(ROW, 640, 360)


@pytest.mark.parametrize(
    "arrays",
    [
        {"b_frame": np.zeros((4, 4))},
        {"b_frame": np.zeros((4, 4)), "b_ok": np.ones(3, bool)},
        {"b_frame": np.zeros((4, 2)), "b_ok": np.ones(4, bool)},
        {"b_frame": np.zeros((4, 4)), "b_ok": np.ones(4)},
    ],
)
def test_damaged_tracks_are_named(tmp_path: Path, arrays: dict[str, Any]) -> None:
    rows = [ManifestRow("b.mp4", "bob", "bob", "s1", "none", "home", "train", "mine")]
    with pytest.raises(DataError, match=r"cannot read the face tracks in .*tracks\.npz"):
        TrackedFaces.load(save(tmp_path, **arrays), rows)


def test_one_framing_is_chosen(tmp_path: Path) -> None:
    assert choose(None, True, False, []).name == "whole"
    assert choose(None, False, True, []).name == "detect"
    for tracks, whole, detect in ((None, False, False), (tmp_path, True, False), (None, True, True)):
        with pytest.raises(DataError, match="just one of --tracks FOLDER, --whole and --detect"):
            choose(tracks, whole, detect, [])
    with pytest.raises(DataError, match="cannot read the face tracks"):
        choose(tmp_path, False, False, [])
