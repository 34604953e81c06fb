"""A video file as a source of frames, for enrolment and for offline scores."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import av
from av.error import FFmpegError

from guard.calls.source import ReceivedFrame
from guard.errors import NoVideoError

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream

_FALLBACK_FPS = 30.0


class FileSource:
    """The first video stream of a file, decoded in order and as fast as it goes."""

    def __init__(self, path: Path) -> None:
        """Raises NoVideoError where there is nothing to read at `path`."""
        self._path = path
        _require_readable(path)

    def __iter__(self) -> Iterator[ReceivedFrame]:
        """Every decoded frame; what cannot be decoded is left out and the next frame says `after_gap`.

        Media time is the container's, from 0; a frame without a time stamp follows the one before at the stream's rate.
        Raises NoVideoError where no frame can be decoded.
        """
        with self._open() as container:
            if not container.streams.video:
                raise NoVideoError(f"{self._path} holds no video stream; give a recording with a picture")
            count = 0
            for frame in _received(container, container.streams.video[0]):
                count += 1
                yield frame
        if count == 0:
            raise NoVideoError(
                f"no frame of {self._path} can be decoded, it may be cut short; record or convert it anew"
            )

    def _open(self) -> InputContainer:
        try:
            # A playlist must not make us fetch anything.
            return av.open(f"file:{self._path}", metadata_errors="replace", options={"protocol_whitelist": "file"})
        except (FFmpegError, ValueError) as error:
            raise NoVideoError(
                f"{self._path} is no video, or is cut short ({_reason(error)}); give a file that a player opens"
            ) from error


def _require_readable(path: Path) -> None:
    if not path.exists():
        raise NoVideoError(f"there is no file {path}; check the path")
    if path.is_dir():
        raise NoVideoError(f"{path} is a folder; name the video files in it")
    if not path.is_file():
        raise NoVideoError(f"{path} is no regular file; give a recording")
    if not os.access(path, os.R_OK):
        raise NoVideoError(f"{path} may not be read; change its permissions")
    if path.stat().st_size == 0:
        raise NoVideoError(f"{path} is empty; record it anew")


def _received(container: InputContainer, stream: VideoStream) -> Iterator[ReceivedFrame]:
    rate = float(stream.average_rate or 0)
    interval = 1 / rate if rate > 0 else 1 / _FALLBACK_FPS
    origin: float | None = None
    pts_seconds = -interval
    gap = False
    for packet in _packets(container, stream):
        try:
            images = packet.decode()
        except FFmpegError:
            gap = True
            continue
        for image in images:
            if image.time is None:
                pts_seconds += interval
            else:
                origin = image.time - pts_seconds - interval if origin is None else origin
                pts_seconds = image.time - origin
            yield ReceivedFrame(image, pts_seconds, time.monotonic(), None, gap or image.is_corrupt)
            gap = False


def _packets(container: InputContainer, stream: VideoStream) -> Iterator[Packet[VideoStream]]:
    """Every packet up to the end, or to where the file breaks off."""
    try:
        yield from container.demux(stream)
    except FFmpegError:
        return


def _reason(error: FFmpegError | ValueError) -> str:
    return (error.strerror if isinstance(error, FFmpegError) else str(error)) or "unknown reason"
