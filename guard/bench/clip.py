"""A clip to send in benchmarks: VP8, encoded once, so that the senders cost next to nothing."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from importlib.metadata import entry_points
from itertools import islice
from typing import Protocol

import av
import numpy as np
from numpy.typing import NDArray

from guard.errors import SourceError

SCENES_GROUP = "guard.scenes"
FPS = 30
BITRATE_BPS = 800_000
_KEYFRAME_EVERY = 60


class Pictures(Protocol):
    """Endless BGR pictures, uint8 (360, 640, 3), at 30 a second.

    face: its number. driver: who moves it, its own driver unless told. take: which of the driver's performances.
    """

    def __call__(self, face: int, driver: int | None = None, take: int = 0) -> Iterator[NDArray[np.uint8]]: ...


def puppet_pictures() -> Pictures:
    """The installed scene that draws talking heads. Raises SourceError where none is installed."""
    for entry in entry_points(group=SCENES_GROUP):
        pictures: Pictures = entry.load()
        return pictures
    raise SourceError("no scene is installed that could be sent; reinstall the package whole")


def encode_clip(pictures: Iterator[NDArray[np.uint8]], seconds: float) -> list[bytes]:
    """VP8 packets, the first a keyframe, so that the clip may be played in a loop."""
    encoder: av.VideoCodecContext = av.CodecContext.create("libvpx", "w")
    encoder.width, encoder.height = 640, 360
    encoder.pix_fmt = "yuv420p"
    encoder.framerate = Fraction(FPS)
    encoder.bit_rate = BITRATE_BPS
    encoder.gop_size = _KEYFRAME_EVERY
    encoder.thread_count = 1
    encoder.options = {"deadline": "realtime", "cpu-used": "8", "auto-alt-ref": "0", "lag-in-frames": "0"}
    packets: list[bytes] = []
    for number, picture in enumerate(islice(pictures, round(seconds * FPS))):
        frame = av.VideoFrame.from_ndarray(picture, format="bgr24").reformat(format="yuv420p")
        frame.pts = number
        packets.extend(bytes(packet) for packet in encoder.encode(frame))
    packets.extend(bytes(packet) for packet in encoder.encode(None))
    return packets
