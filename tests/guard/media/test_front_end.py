"""From received frames to engine input, with a face that is put where the test wants it."""

from __future__ import annotations

import csv
import math
from dataclasses import replace
from itertools import islice
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engines.face_detector import SlimFaceDetector
from engines.pixels import CropBox, FaceBox, LumaPlane, crop_frame, face_crop, luma_plane
from guard.calls.file import FileSource
from guard.calls.source import ReceivedFrame
from guard.media.front_end import FaceFrame, FaceFrontEnd, NoFrame
from guard.verify.states import AbstainReason

FACE = FaceBox(100, 60, 75, 100, 0.9)


class PlacedFace:
    """A detector that sees what it is told."""

    def __init__(self, face: FaceBox | None = FACE) -> None:
        self.face = face
        self.looks = 0

    def detect(self, luma: LumaPlane, near: CropBox | None = None) -> FaceBox | None:
        self.looks += 1
        return self.face


def picture(width: int = 320, height: int = 240, pixel_format: str = "yuv420p", seed: int = 0) -> av.VideoFrame:
    """A frame of noise."""
    frame = av.VideoFrame(width, height, pixel_format)
    noise = np.random.default_rng(seed)
    for plane in frame.planes:
        plane.update(noise.bytes(plane.buffer_size))
    return frame


def received(at: float, image: av.VideoFrame | None = None) -> ReceivedFrame:
    return ReceivedFrame(image or picture(), at, 100 + at, None, after_gap=False)


def play(front_end: FaceFrontEnd, start: float, seconds: float, fps: float = 30) -> list[FaceFrame | NoFrame]:
    image = picture()
    return [front_end.process(received(start + n / fps, image)) for n in range(round(seconds * fps))]


def test_a_steady_stream_is_one_run() -> None:
    front_end = FaceFrontEnd(PlacedFace())
    frames = play(front_end, 0, 4)
    assert all(isinstance(frame, FaceFrame) for frame in frames)
    assert [frame.continues for frame in frames if isinstance(frame, FaceFrame)] == [False] + [True] * 119


def test_pixels_are_the_crop_of_the_luma_plane() -> None:
    frame = FaceFrontEnd(PlacedFace()).process(replace(received(7.5), capture_seconds=1.7e9))
    assert isinstance(frame, FaceFrame)
    assert frame.pixels.shape == (128, 128)
    assert frame.pixels.dtype == np.uint8
    assert np.array_equal(frame.pixels, crop_frame(luma_plane(picture()), face_crop(FACE)))
    assert (frame.pts_seconds, frame.arrival_seconds, frame.capture_seconds) == (7.5, 107.5, 1.7e9)
    assert frame.pixels_seconds > 0


def test_pixels_do_not_change_when_the_decoder_reuses_its_frame() -> None:
    image = picture(128, 128)
    front_end = FaceFrontEnd(PlacedFace(FaceBox(21, 21, 128 / 1.5, 128 / 1.5, 0.9)))  # the crop is the whole frame
    frame = front_end.process(received(0, image))
    assert isinstance(frame, FaceFrame)
    before = frame.pixels.copy()
    image.planes[0].update(bytes(image.planes[0].buffer_size))
    assert np.array_equal(frame.pixels, before)


def test_a_fast_stream_is_thinned_before_any_pixel_is_touched() -> None:
    front_end = FaceFrontEnd(PlacedFace())
    frames = play(front_end, 0, 4, fps=60)
    taken = [frame for frame in frames if isinstance(frame, FaceFrame)]
    assert len(taken) == pytest.approx(120, abs=2)
    assert {frame.reason for frame in frames if isinstance(frame, NoFrame)} == {None}
    broken = FaceFrontEnd(PlacedFace())
    play(broken, 0, 1, fps=60)
    skipped = [broken.process(received(1 + n / 60, picture(pixel_format="rgb24"))) for n in range(2)]
    assert [frame.reason for frame in skipped if isinstance(frame, NoFrame)].count(None) == 1


def test_a_crop_that_moves_breaks_the_run_once() -> None:
    detector = PlacedFace()
    front_end = FaceFrontEnd(detector)
    play(front_end, 0, 2)
    detector.face = replace(FACE, x=FACE.x + 80)
    frames = [frame for frame in play(front_end, 2, 2) if isinstance(frame, FaceFrame)]
    assert [frame.continues for frame in frames].count(False) == 1
    assert frames[-1].crop_generation == 2
    assert np.array_equal(frames[-1].pixels, crop_frame(luma_plane(picture()), face_crop(detector.face)))


def test_without_a_face_there_is_no_frame_and_the_next_one_follows_nothing() -> None:
    detector = PlacedFace()
    front_end = FaceFrontEnd(detector)
    play(front_end, 0, 2)
    detector.face = None
    lost = play(front_end, 2, 4)
    assert isinstance(lost[-1], NoFrame)
    assert lost[-1].reason is AbstainReason.NO_FACE
    detector.face = FACE
    found = [frame for frame in play(front_end, 6, 1) if isinstance(frame, FaceFrame)]
    assert [frame.continues for frame in found] == [False] + [True] * (len(found) - 1)


def test_a_decoder_gap_breaks_the_run() -> None:
    front_end = FaceFrontEnd(PlacedFace())
    play(front_end, 0, 1)
    frame = front_end.process(replace(received(1), after_gap=True))
    assert isinstance(frame, FaceFrame)
    assert not frame.continues


def test_a_resolution_switch_breaks_the_run_and_keeps_the_framing() -> None:
    detector = PlacedFace()
    front_end = FaceFrontEnd(detector)
    play(front_end, 0, 1)
    detector.face = FaceBox(FACE.x * 2, FACE.y * 2, FACE.width * 2, FACE.height * 2, 0.9)
    image = picture(640, 480, seed=1)
    first, second = (front_end.process(received(1 + n / 30, image)) for n in range(2))
    assert isinstance(first, FaceFrame)
    assert isinstance(second, FaceFrame)
    assert (first.continues, second.continues) == (False, True)
    before = face_crop(FACE)
    scaled = CropBox(2 * before.x, 2 * before.y, 2 * before.side)
    assert np.array_equal(first.pixels, crop_frame(luma_plane(image), scaled))


def test_a_slow_stream_abstains_until_it_is_fast_enough() -> None:
    front_end = FaceFrontEnd(PlacedFace())
    slow = play(front_end, 0, 4, fps=8)[-1]
    assert isinstance(slow, NoFrame)
    assert slow.reason is AbstainReason.FRAME_RATE_TOO_LOW
    assert slow.fps == pytest.approx(8)
    recovered = [frame for frame in play(front_end, 4, 4) if isinstance(frame, FaceFrame)]
    assert not recovered[0].continues
    assert recovered[-1].continues


@pytest.mark.parametrize(
    "image",
    [
        picture(pixel_format="rgb24"),
        picture(pixel_format="yuv420p10le"),
        picture(pixel_format="yuyv422"),
        picture(64, 48, "pal8"),
        av.VideoFrame(0, 0, "yuv420p"),
    ],
    ids=["rgb", "10 bit", "packed", "palette", "no size"],
)
def test_pictures_without_luma_give_a_reason(image: av.VideoFrame) -> None:
    front_end = FaceFrontEnd(PlacedFace())
    play(front_end, 0, 1)
    refused = front_end.process(received(1, image))
    assert isinstance(refused, NoFrame)
    assert refused.reason is AbstainReason.NO_FACE
    after = front_end.process(received(1 + 1 / 30))
    assert isinstance(after, FaceFrame)
    assert not after.continues


@pytest.mark.parametrize("at", [math.nan, math.inf, -math.inf])
def test_time_that_is_no_number_gives_a_reason(at: float) -> None:
    refused = FaceFrontEnd(PlacedFace()).process(received(at))
    assert isinstance(refused, NoFrame)
    assert refused.reason is AbstainReason.UNSTEADY


PICTURES = [
    picture(width, height, pixel_format)
    for width, height, pixel_format in [
        (320, 240, "yuv420p"),
        (1, 1, "yuv420p"),
        (3, 401, "yuv420p"),
        (2000, 2, "nv12"),
        (99, 101, "gray"),
        (64, 64, "rgb24"),
        (160, 120, "yuv420p"),
    ]
]


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(PICTURES),
            st.one_of(st.floats(0.001, 0.5), st.floats()),
            st.booleans(),
            st.one_of(
                st.none(),
                st.builds(
                    FaceBox,
                    st.floats(-50, 400),
                    st.floats(-50, 400),
                    st.floats(1, 900),
                    st.floats(1, 900),
                    st.just(0.9),
                ),
            ),
        ),
        max_size=40,
    )
)
def test_no_stream_of_frames_raises(stream: list[tuple[av.VideoFrame, float, bool, FaceBox | None]]) -> None:
    detector = PlacedFace()
    front_end = FaceFrontEnd(detector)
    at, previous = 0.0, None
    for image, step, after_gap, face in stream:
        at = at + step if math.isfinite(at) else step
        detector.face = face
        frame = front_end.process(ReceivedFrame(image, at, 0.0, None, after_gap))
        if isinstance(frame, FaceFrame):
            assert frame.pixels.shape == (128, 128)
            if frame.continues:
                assert previous is not None
                assert not after_gap
                assert frame.crop_generation == previous.crop_generation
                assert frame.pts_seconds > previous.pts_seconds
            previous = frame
        elif frame.reason is not None:
            previous = None


@pytest.mark.shared_data
@pytest.mark.parametrize("source", ["lrw_ar", "liveportrait", "hdtf", "voxceleb2", "grid"])
def test_a_face_is_found_and_the_crop_stays_still(shared_data: Path, source: str) -> None:
    with (shared_data / "faces" / "manifest.csv").open(newline="") as rows:
        clips = [row for row in csv.DictReader(rows) if row["source"] == source and float(row["fps"]) >= 12]
    for clip in clips[:2]:
        front_end = FaceFrontEnd(SlimFaceDetector())
        seen = map(front_end.process, islice(FileSource(shared_data / clip["path"]), 200))
        frames = [frame for frame in seen if isinstance(frame, FaceFrame)]
        assert len(frames) >= 0.95 * min(200, int(clip["frames"]))
        # Even an actress who turns to all sides; and one break where the recording itself has a jump.
        assert frames[-1].crop_generation <= 1 + frames[-1].pts_seconds / 2
        breaks = sum(not frame.continues for frame in frames)
        assert breaks <= frames[-1].crop_generation + 1
