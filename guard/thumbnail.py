"""A small picture of what a participant sends, for the dashboard (opt-in)."""

from __future__ import annotations

import cv2
import numpy as np
from av import VideoFrame
from numpy.typing import NDArray

_SIDE_PX = 320
_QUALITY = 70


def jpeg_thumbnail(frame: VideoFrame) -> bytes:
    """The frame as a JPEG within 320x320 pixels; however narrow it is, since its sender chooses that."""
    scale = _SIDE_PX / max(frame.width, frame.height)
    width, height = (max(2, round(side * scale)) for side in (frame.width, frame.height))
    return _encode(np.asarray(frame.to_ndarray(format="bgr24", width=width, height=height), np.uint8))


def jpeg_crop(pixels: NDArray[np.uint8]) -> bytes:
    """A face crop, uint8 (height, width), as a JPEG of its own size."""
    return _encode(pixels)


def _encode(pixels: NDArray[np.uint8]) -> bytes:
    _, encoded = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return bytes(encoded)
