"""A picture of the SDK as the frame that the rest of the guard works on."""

from __future__ import annotations

import numpy as np
from av import VideoFrame
from numpy.typing import NDArray

from guard.calls.livekit.sdk import Picture


def video_frame(picture: Picture, quarter_turns: int) -> VideoFrame:
    """Copy an I420 picture, turned clockwise as its sender wants it shown. Raises ValueError where bytes are missing.

    WebRTC's I420 has limited range (16..235), which a frame that says nothing is taken for.
    """
    planes = [np.rot90(plane, -quarter_turns) for plane in _planes(picture)]
    height, width = planes[0].shape
    frame = VideoFrame(width, height, "yuv420p")
    for plane, pixels in zip(frame.planes, planes, strict=True):
        rows = np.zeros((plane.height, plane.line_size), np.uint8)
        rows[:, : plane.width] = pixels
        plane.update(rows.tobytes())
    return frame


def _planes(picture: Picture) -> list[NDArray[np.uint8]]:
    width, height = picture.width, picture.height
    half_width, half_height = (width + 1) // 2, (height + 1) // 2
    data = np.frombuffer(picture.data, np.uint8)
    if width < 1 or height < 1 or data.size < width * height + 2 * half_width * half_height:
        raise ValueError("an I420 picture has fewer bytes than its size needs")
    luma, chroma = np.split(data[: width * height + 2 * half_width * half_height], [width * height])
    return [luma.reshape(height, width), *chroma.reshape(2, half_height, half_width)]
