"""The native detector: what it finds in real clips, and that no picture brings it down."""

from __future__ import annotations

import csv
from pathlib import Path

import av
import numpy as np
import pytest

from engines import face_detector
from engines.face_detector import GLANCE_SIDE_PX, MIN_FACE_PX, NEAR_SIDE_PX, SEARCH_SIDE_PX, SlimFaceDetector
from engines.pixels import CropBox, LumaPlane, crop_from_eyes, face_crop, luma_plane
from engines.stable_crop import fits

SOURCES = ("lrw_ar", "liveportrait", "hdtf", "voxceleb2", "grid")


def clips(shared_data: Path, source: str) -> list[dict[str, str]]:
    with (shared_data / "faces" / "manifest.csv").open(newline="") as rows:
        return [row for row in csv.DictReader(rows) if row["source"] == source and float(row["fps"]) >= 12]


def first_luma(path: Path) -> LumaPlane:
    with av.open(str(path)) as container:
        luma = luma_plane(next(container.decode(video=0)))
        return LumaPlane(luma.pixels.copy(), luma.full_range)


@pytest.mark.parametrize(
    ("height", "width"), [(1, 1), (1, 4000), (4000, 1), (0, 0), (0, 50), (39, 400), (41, 9000), (333, 41), (1081, 1921)]
)
def test_silly_sizes_hold_no_face(height: int, width: int) -> None:
    for fill in (0, 255):
        luma = LumaPlane(np.full((height, width), fill, np.uint8), full_range=True)
        assert SlimFaceDetector().detect(luma) is None
        assert SlimFaceDetector().detect(luma, CropBox(-30, 20, 50)) is None


def test_noise_holds_no_face() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (240, 320), dtype=np.uint8)
    assert SlimFaceDetector().detect(LumaPlane(noise, full_range=True)) is None


@pytest.mark.parametrize(
    "near", [CropBox(-500, -500, 100), CropBox(5000, 5000, 100), CropBox(0, 0, 1), CropBox(-9, -9, 9999)]
)
def test_a_crop_from_nowhere_is_survived(near: CropBox) -> None:
    assert SlimFaceDetector().detect(LumaPlane(np.full((240, 320), 90, np.uint8), full_range=True), near) is None


@pytest.mark.parametrize(
    ("across", "looks"),
    [
        (0.0, [GLANCE_SIDE_PX]),
        (0.08, [GLANCE_SIDE_PX]),
        (0.13, [GLANCE_SIDE_PX, NEAR_SIDE_PX]),
        (0.3, [GLANCE_SIDE_PX, NEAR_SIDE_PX]),
        (None, [GLANCE_SIDE_PX, NEAR_SIDE_PX, SEARCH_SIDE_PX]),
    ],
)
def test_a_glance_is_enough_for_a_face_that_is_where_it_should_be(
    across: float | None, looks: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """across: of the crop's side that the face has moved; None where it has gone."""
    crop, sides = CropBox(200, 100, 300), list[int]()

    def boxes(gray: np.ndarray[tuple[int, int], np.dtype[np.uint8]]) -> list[tuple[int, int, int, int, int]]:
        side = max(gray.shape)
        sides.append(side)
        if across is None or side == SEARCH_SIDE_PX:
            return []
        # A face of two thirds of the crop, in the middle of surroundings of 1.5 crops.
        return [(round(side * (1.25 / 4.5 + across / 1.5)), side * 5 // 18, side * 4 // 9, side * 4 // 9, 90)]

    monkeypatch.setattr(face_detector, "face_boxes", boxes)
    face = SlimFaceDetector().detect(LumaPlane(np.zeros((720, 1280), np.uint8), full_range=True), crop)
    assert sides == looks
    assert (face is None) is (across is None)
    if face is not None and across is not None:
        assert fits(crop, face) is (across < 0.15)
        assert face.center[0] == pytest.approx(350 + 300 * across, abs=4)


@pytest.mark.shared_data
@pytest.mark.parametrize("source", SOURCES)
def test_looking_near_a_known_face_finds_the_same_face(shared_data: Path, source: str) -> None:
    luma = first_luma(shared_data / clips(shared_data, source)[0]["path"])
    face = SlimFaceDetector().detect(luma)
    assert face is not None
    again = SlimFaceDetector().detect(luma, face_crop(face))
    assert again is not None
    assert abs(again.center[0] - face.center[0]) < 0.1 * face.height
    assert abs(again.center[1] - face.center[1]) < 0.1 * face.height
    assert 0.85 < again.height / face.height < 1.18


@pytest.mark.shared_data
def test_a_smaller_face_than_the_least_is_none(shared_data: Path) -> None:
    luma = first_luma(shared_data / clips(shared_data, "grid")[0]["path"])
    face = SlimFaceDetector().detect(luma)
    assert face is not None
    step = int(face.height / MIN_FACE_PX) + 1
    assert SlimFaceDetector().detect(LumaPlane(luma.pixels[::step, ::step], full_range=True)) is None


@pytest.mark.shared_data
def test_the_crop_from_eyes_frames_a_face_as_the_detector_does(shared_data: Path) -> None:
    tracks = np.load(shared_data / "tracks" / "tracks.npz")
    sides, offsets = [], []
    for source in SOURCES:
        for clip in clips(shared_data, source)[:6]:
            key = f"{clip['track']}|frame"
            face = SlimFaceDetector().detect(first_luma(shared_data / clip["path"]))
            assert face is not None
            x, y, distance, _ = (float(value) for value in tracks[key][0])
            box = crop_from_eyes((x, y), distance)
            assert fits(box, face) or source == "voxceleb2"  # turned heads have their eyes closer together
            sides.append(face_crop(face).side / box.side)
            offsets.append((face.center[1] - box.y - box.side / 2) / box.side)
    assert np.median(sides) == pytest.approx(1, abs=0.05)
    assert np.median(offsets) == pytest.approx(0, abs=0.02)
