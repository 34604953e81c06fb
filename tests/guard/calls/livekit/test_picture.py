"""Pictures of the SDK, pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest
from av import VideoFrame
from numpy.typing import NDArray

from engines.pixels import luma_plane
from guard.calls.livekit.picture import video_frame
from tests.guard.calls.livekit.fake_sdk import FakePicture


def picture(width: int, height: int) -> tuple[FakePicture, NDArray[np.uint8]]:
    size = width * height + 2 * ((width + 1) // 2) * ((height + 1) // 2)
    data = np.arange(size, dtype=np.uint32).astype(np.uint8)
    return FakePicture(width, height, memoryview(data.data)), data[: width * height].reshape(height, width)


def luma(frame: VideoFrame) -> NDArray[np.uint8]:
    plane = frame.planes[0]
    return np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width]


@pytest.mark.parametrize(("width", "height"), [(320, 240), (322, 242), (33, 17), (1, 1)])
def test_the_luma_is_the_senders(width: int, height: int) -> None:
    given, expected = picture(width, height)
    frame = video_frame(given, 0)
    assert (frame.width, frame.height, frame.format.name) == (width, height, "yuv420p")
    np.testing.assert_array_equal(luma(frame), expected)
    assert luma_plane(frame).pixels.shape == (height, width)


@pytest.mark.parametrize(("turns", "corner"), [(1, (0, -1)), (2, (-1, -1)), (3, (-1, 0))])
def test_a_turned_picture_is_turned_clockwise(turns: int, corner: tuple[int, int]) -> None:
    given, expected = picture(32, 18)
    turned = luma(video_frame(given, turns))
    assert turned.shape == ((32, 18) if turns % 2 else (18, 32))
    assert turned[corner] == expected[0, 0]


def test_missing_bytes_are_an_error() -> None:
    given, _ = picture(32, 18)
    with pytest.raises(ValueError, match="fewer bytes"):
        video_frame(FakePicture(32, 20, given.data), 0)
