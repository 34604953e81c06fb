"""Small pictures of whatever a participant sends."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from av import VideoFrame

from guard.thumbnail import jpeg_thumbnail


@pytest.mark.parametrize(
    ("sent", "shown"),
    [((640, 360), (320, 180)), ((360, 640), (180, 320)), ((2, 1080), (2, 320)), ((4000, 2), (320, 2))],
)
def test_a_picture_of_any_shape_becomes_a_small_one(sent: tuple[int, int], shown: tuple[int, int]) -> None:
    encoded = jpeg_thumbnail(VideoFrame(*sent, "yuv420p"))
    decoded = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    assert decoded.shape == (shown[1], shown[0], 3)
