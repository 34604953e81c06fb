"""Where clips are cut: as the live path would, or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from engines import face_detector, stable_crop
from engines.pixels import CropBox, crop_from_eyes
from training.data import framing
from training.data.framing import FaceTrack, TrackedFaces, WholePicture, choose
from training.data.manifest import ManifestRow
from training.errors import DataError

ROW = ManifestRow("home/ann/a.mp4", "ann", "ann", "s1", "none", "home", "train", "mine")
KEY = "home/ann/a"
SIDE = 318  # of the crop of a face whose eye corners are 100 pixels apart


def still(frames: int = 30) -> NDArray[np.float32]:
    return np.tile(np.array([200, 150, 100], np.float32), (frames, 1))


def tracked(eyes: NDArray[np.float32], seen: NDArray[np.bool_] | None = None) -> TrackedFaces:
    return TrackedFaces({KEY: FaceTrack(eyes, np.ones(len(eyes), bool) if seen is None else seen)})


def test_limits_are_those_of_the_live_path() -> None:
    assert framing.INNER_REACH == stable_crop.INNER_REACH
    assert framing.SIZE_RATIO == stable_crop.SIZE_RATIO
    assert framing.MIN_FACE_PX == face_detector.MIN_FACE_PX


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
        ((0, 0, -24), "grows or shrinks by 1.32"),
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
    assert choose(None, True, []).name == "whole"
    for tracks, whole in ((None, False), (tmp_path, True)):
        with pytest.raises(DataError, match="either --tracks FOLDER or --whole"):
            choose(tracks, whole, [])
    with pytest.raises(DataError, match="cannot read the face tracks"):
        choose(tmp_path, False, [])
