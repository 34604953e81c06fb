"""A tracker without MediaPipe, in a real process: what it does stands in the name of its model file.

It is confined and talks as the real one does; only the finder is another, which "finds" a face that the picture's
brightness moves.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import numpy as np
from numpy.typing import NDArray

from engines.errors import TrackerError
from engines.expressions.face_landmarker import FoundFace
from guard.expressions.messages import REPLY_BYTES, Reply, ReplyKind, write_reply
from guard.expressions.tracker_process import TrackerSettings, serve

FACE = np.random.default_rng(3).uniform(-1, 1, (478, 2))
FACE[33], FACE[263] = (-0.5, 0), (0.5, 0)
BLACK_IS_NO_FACE, WHITE_IS_THE_END = 0, 255


def brightness_of(blendshapes: NDArray[np.float32]) -> int:
    """Of the picture in which these were found."""
    return round(255 * float(blendshapes[1]))


def find(picture: NDArray[np.uint8], milliseconds: int) -> FoundFace | None:
    assert picture.shape == (256, 256, 3)
    assert milliseconds > 0
    brightness = int(picture[0, 0, 0])
    if brightness == BLACK_IS_NO_FACE:
        return None
    if brightness == WHITE_IS_THE_END:
        os._exit(3)
    return FoundFace(FACE, np.full(52, brightness / 255, np.float32), np.eye(4, dtype=np.float32))


@contextmanager
def finder(mode: str) -> Iterator[object]:
    if mode == "refuses":
        raise TrackerError("MediaPipe 1.2.2 is newer than what was checked; pip install mediapipe==0.10.35")
    if mode == "blind":
        yield lambda _picture, _milliseconds: None
    elif mode == "calls_home":
        yield call_home
    else:
        yield find


def call_home(picture: NDArray[np.uint8], milliseconds: int) -> FoundFace | None:
    """A library that sends usage data once it is in use: found where it could not, dies where it could."""
    if milliseconds > 1000:
        for family in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX):
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                with suppress(PermissionError), socket.socket(family, kind):
                    os._exit(7)
        with suppress(PermissionError), open("/etc/hostname"):  # noqa: PTH123 - the plain call
            os._exit(8)
    return find(picture, milliseconds)


def main() -> None:
    settings = TrackerSettings.from_arguments(sys.argv[-4:])
    channel = socket.socket(fileno=settings.channel)
    mode = settings.landmarker.name
    if mode == "dies":
        sys.exit("Traceback (most recent call last):\nSyntaxError: too old a Python")
    if mode == "nonsense":
        channel.sendall(write_reply(Reply(ReplyKind.READY)) + b"\xff" * REPLY_BYTES)
        channel.recv(1 << 20)
    with suppress(ConnectionError):
        serve(channel, lambda: finder(mode), settings)  # type: ignore[arg-type, return-value]
