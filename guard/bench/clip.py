"""A clip to send in benchmarks: VP8, encoded once, so that the senders cost next to nothing; every frame numbered."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator
from fractions import Fraction
from importlib.metadata import entry_points
from pathlib import Path
from typing import Protocol

import av
import numpy as np
from numpy.typing import NDArray

from guard.bench.barcode import write_number
from guard.errors import SourceError

SCENES_GROUP = "guard.scenes"
WIDTH_PX, HEIGHT_PX, FPS = 640, 360, 30
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


def numbered(pictures: Iterable[NDArray[np.uint8]]) -> Iterator[av.VideoFrame]:
    """The pictures as they are sent, yuv420p, each with its number burnt in, from 0."""
    for number, picture in enumerate(pictures):
        frame = av.VideoFrame.from_ndarray(picture, format="bgr24").reformat(format="yuv420p")
        planes = np.asarray(frame.to_ndarray(), np.uint8)
        write_number(planes[: frame.height], number)
        yield av.VideoFrame.from_ndarray(planes, format="yuv420p")


def encode_clip(frames: Iterable[av.VideoFrame], bitrate_bps: int = BITRATE_BPS) -> list[bytes]:
    """VP8 packets, one a frame, the first a keyframe, so that the clip may be played in a loop."""
    encoder: av.VideoCodecContext = av.CodecContext.create("libvpx", "w")
    encoder.width, encoder.height = WIDTH_PX, HEIGHT_PX
    encoder.pix_fmt = "yuv420p"
    encoder.framerate = Fraction(FPS)
    encoder.bit_rate = bitrate_bps
    encoder.gop_size = _KEYFRAME_EVERY
    encoder.thread_count = 1
    encoder.options = {"deadline": "realtime", "cpu-used": "8", "auto-alt-ref": "0", "lag-in-frames": "0"}
    packets: list[bytes] = []
    for number, frame in enumerate(frames):
        picture = frame.reformat(WIDTH_PX, HEIGHT_PX, "yuv420p")
        picture.pts, picture.time_base = number, Fraction(1, FPS)
        packets.extend(bytes(packet) for packet in encoder.encode(picture))
    packets.extend(bytes(packet) for packet in encoder.encode(None))
    return packets


def save_packets(packets: Iterable[bytes], file: Path) -> None:
    """Keep encoded frames for other processes of the bench. Raises OSError."""
    file.write_text(json.dumps([b64encode(packet).decode() for packet in packets]), "utf-8")


def load_packets(file: Path) -> list[bytes]:
    """What `save_packets` has kept. Raises OSError, and ValueError for anything else."""
    return [b64decode(packet) for packet in json.loads(file.read_text("utf-8"))]
