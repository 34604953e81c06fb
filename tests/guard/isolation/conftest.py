"""A face that can be sent, and workers that receive it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import cycle, islice
from typing import Protocol

import av
import pytest
from av import Packet, VideoFrame

from demo.puppet_frames import FPS, make_player
from guard.calls.publisher import WhipPublisher
from guard.config import CallsConfig
from guard.isolation.supervisor import Supervisor
from tests.whip_endpoint import TOKEN, Endpoint, Recorder, running_endpoint

_SECONDS = 2


@pytest.fixture(scope="session")
def encoded_face() -> list[bytes]:
    """A puppet that talks, VP8, 640x360."""
    pictures = islice(make_player(1, 1, 0), _SECONDS * FPS)
    frames = [VideoFrame.from_ndarray(picture, format="bgr24") for picture in pictures]
    return encode([frame.reformat(format="yuv420p") for frame in frames])


def encode(frames: list[VideoFrame]) -> list[bytes]:
    """As VP8, a keyframe every second."""
    encoder: av.VideoCodecContext = av.CodecContext.create("libvpx", "w")
    encoder.width, encoder.height, encoder.pix_fmt = frames[0].width, frames[0].height, "yuv420p"
    encoder.framerate, encoder.bit_rate, encoder.gop_size, encoder.thread_count = Fraction(FPS), 800_000, FPS, 1
    encoder.options = {"deadline": "realtime", "cpu-used": "8", "auto-alt-ref": "0", "lag-in-frames": "0"}
    packets = []
    for number, frame in enumerate(frames):
        frame.pts = number
        packets.append(b"".join(bytes(packet) for packet in encoder.encode(frame)))
    return packets


class Publish(Protocol):
    """Makes a publisher of the face, or of something else."""

    def __call__(self, url: str, token: str = TOKEN, packets: Sequence[bytes] = ()) -> WhipPublisher: ...


@pytest.fixture
def publish(encoded_face: list[bytes]) -> Publish:
    def make(url: str, token: str = TOKEN, packets: Sequence[bytes] = ()) -> WhipPublisher:
        pictures = cycle(packets or encoded_face)
        return WhipPublisher(url, token, lambda: Packet(next(pictures)), loopback=True)

    return make


@dataclass
class Isolated:
    """A WHIP endpoint whose video is received by workers."""

    workers: Supervisor
    endpoint: Endpoint
    listener: Recorder

    def received(self, participant: str) -> int:
        queue = self.listener.faces.get(("standup", participant))
        return 0 if queue is None else queue.received


@asynccontextmanager
async def isolated_endpoint(config: CallsConfig) -> AsyncIterator[Isolated]:
    listener = Recorder()
    workers = Supervisor(config, 12.0, listener)
    try:
        await workers.start()
        async with running_endpoint(config, listener, workers.peer) as endpoint:
            yield Isolated(workers, endpoint, listener)
    finally:
        await workers.close()
