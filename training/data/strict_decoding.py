"""Every frame of a video file, or none: what the live path bridges is refused here.

A call goes on after a damaged frame. A clip to learn from must not hold a concealed, missing or repeated one.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
from av.error import FFmpegError

from engines.pixels import LumaPlane, luma_plane
from training.errors import DataError


def decoded_luma(path: Path) -> Iterator[tuple[float, LumaPlane]]:
    """Media time in seconds and luma of each frame; the pixels are the decoder's and last until the next one.

    Raises DataError as `decoded_frames` does.
    """
    for seconds, frame in decoded_frames(path):
        try:
            yield seconds, luma_plane(frame)
        except ValueError as error:
            raise DataError(f"cannot be decoded: {error}") from error


def decoded_frames(path: Path) -> Iterator[tuple[float, av.VideoFrame]]:
    """Media time in seconds and picture of each frame.

    Raises DataError, possibly after some frames, for a file that is unreadable, cut short or damaged, has no video
    stream or several, changes its picture size, or has time stamps that do not increase.
    """
    try:
        # A playlist must not make us fetch anything.
        with av.open(f"file:{path}", metadata_errors="replace", options={"protocol_whitelist": "file"}) as container:
            streams = container.streams.video
            if len(streams) != 1:
                raise DataError(f"has {len(streams)} video streams where one is expected")
            packets = 0
            before: tuple[float, int, int] | None = None
            for packet in container.demux(streams[0]):
                packets += packet.size > 0
                for frame in packet.decode():
                    before = _next(frame, before)
                    yield before[0], frame
            if packets < streams[0].frames:
                raise DataError(f"is cut short: {packets} of {streams[0].frames} frames are there")
    except (FFmpegError, ValueError) as error:
        reason = (error.strerror if isinstance(error, FFmpegError) else str(error)) or "unknown reason"
        raise DataError(f"cannot be decoded: {reason}") from error


def _next(frame: av.VideoFrame, before: tuple[float, int, int] | None) -> tuple[float, int, int]:
    """Time and size of a frame that may follow. Raises DataError for one that may not."""
    if frame.is_corrupt:
        raise DataError(f"is damaged at {frame.time} s")
    if frame.time is None:
        raise DataError("has a frame without a time stamp")
    if before is not None and before[1:] != (frame.width, frame.height):
        raise DataError(f"changes its picture from {before[1]}x{before[2]} to {frame.width}x{frame.height}")
    if before is not None and frame.time <= before[0]:
        raise DataError(f"has time stamps that do not increase, at {frame.time} s")
    return frame.time, frame.width, frame.height
