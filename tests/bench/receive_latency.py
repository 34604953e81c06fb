"""How late a frame comes out: our receive path beside a plain aiortc sink, in one run on loopback.

    python -m tests.bench.receive_latency --seconds 20
    python -m tests.bench.receive_latency --seconds 20 --loss 0.05 --burst 8 --delay-ms 60 --live

The same numbered pictures go to both, by turns. The latency is from the instant a picture is handed to
its sender to the instant a decoded frame is there: `recv()` and `to_ndarray("bgr24")` at the plain sink, the push into
the participant's queue at ours. Everything runs in one process, so only the ratio means something.

--loss drops RTP packets behind the decryption, in bursts of --burst, each stream with a seeded generator of its own;
--delay-ms holds the rest back, and with it every retransmission. --live encodes as it sends, so that a request for a
keyframe has an effect; without it the pictures are encoded beforehand, a keyframe every two seconds.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import time
from collections.abc import Coroutine
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise

import av
import numpy as np
from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpSender, RTCSessionDescription
from aiortc.rtcdtlstransport import RTCDtlsTransport
from av import Packet, VideoFrame

from engines.pixels import luma_plane
from guard.bench.barcode import read_number, write_number
from guard.bench.plain_sink import receive_plainly
from guard.calls.media_path import MediaPath
from guard.calls.publisher import _ENCODERS, DEFAULT_BITRATE_BPS, ENCODER, Picture, _PacedTrack
from guard.calls.receiver_tap import JITTER_BUFFER, ReceiverTap
from guard.calls.source import LatestFrames, ReceivedFrame
from guard.calls.whip_sink import WhipSink
from guard.config import CallsConfig
from tests.whip_endpoint import peer_of

WIDTH_PX, HEIGHT_PX, FPS, KEYFRAME_EVERY = 320, 240, 30, 60
_SEED = 5


@dataclass
class Stream:
    """When the pictures of one stream left, and when they came."""

    sent: dict[int, float] = field(default_factory=dict)
    came: dict[int, float] = field(default_factory=dict)

    def arrived(self, image: VideoFrame, at: float) -> None:
        if (number := read_number(luma_plane(image).pixels)) is not None:
            self.came.setdefault(number, at)

    @property
    def measured(self) -> range:
        """All but the first second and the last, which the end of the track cuts."""
        return range(FPS, len(self.sent) - FPS)

    @property
    def latencies_ms(self) -> list[float]:
        return [1000 * (at - self.sent[number]) for number, at in self.came.items() if number in self.measured]

    @property
    def longest_gap_ms(self) -> float:
        times = [at for number, at in self.came.items() if number in self.measured]
        return 1000 * max(later - earlier for earlier, later in pairwise(times))


class Pictures:
    """Numbered grey pictures, encoded or not; notes when each is handed over."""

    def __init__(self, stream: Stream, count: int, *, live: bool) -> None:
        self._stream = stream
        self._frames = self._draw(count)
        self._packets = None if live else self._encode()
        self._number = -1

    def __call__(self) -> Picture | None:
        self._number += 1
        if self._number >= len(self._frames):
            return None
        self._stream.sent[self._number] = time.monotonic()
        return self._frames[self._number] if self._packets is None else Packet(self._packets[self._number])

    @staticmethod
    def _draw(count: int) -> list[VideoFrame]:
        frames = []
        for number in range(count):
            planes = np.full((HEIGHT_PX * 3 // 2, WIDTH_PX), 128, np.uint8)
            write_number(planes[:HEIGHT_PX], number)
            frames.append(VideoFrame.from_ndarray(planes, format="yuv420p"))
        return frames

    def _encode(self) -> list[bytes]:
        encoder: av.VideoCodecContext = av.CodecContext.create("libvpx", "w")
        encoder.width, encoder.height, encoder.pix_fmt = WIDTH_PX, HEIGHT_PX, "yuv420p"
        encoder.framerate, encoder.bit_rate, encoder.gop_size = Fraction(FPS), DEFAULT_BITRATE_BPS, KEYFRAME_EVERY
        encoder.thread_count = 1
        encoder.options = {"deadline": "realtime", "cpu-used": "8", "auto-alt-ref": "0", "lag-in-frames": "0"}
        for number, frame in enumerate(self._frames):
            frame.pts = number
        return [b"".join(bytes(packet) for packet in encoder.encode(frame)) for frame in self._frames]


class Queue(LatestFrames):
    """Notes each frame in the instant it is pushed."""

    def __init__(self, stream: Stream) -> None:
        super().__init__()
        self._stream = stream

    def push(self, frame: ReceivedFrame) -> None:
        self._stream.arrived(frame.image, time.monotonic())
        super().push(frame)


class Listener:
    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def participant_joined(self, call: str, participant: str) -> LatestFrames:
        return Queue(self._stream)

    def participant_left(self, call: str, participant: str, why: str) -> None:
        """Nothing depends on it."""


def impair(loss: float, burst: int, delay_seconds: float) -> None:
    """Drop and delay the RTP packets of every transport of this process."""
    loop = asyncio.get_running_loop()
    state: dict[int, tuple[random.Random, list[int]]] = {}
    delayed: set[asyncio.Task[None]] = set()
    handle, stock = MediaPath.handle, RTCDtlsTransport._handle_rtp_data

    def is_lost(receiver: object) -> bool:
        generator, left = state.setdefault(id(receiver), (random.Random(_SEED), [0]))
        if left[0] == 0 and generator.random() < loss / burst:
            left[0] = burst
        if left[0] == 0:
            return False
        left[0] -= 1
        return True

    def ours(self: MediaPath, data: bytes) -> None:
        if not is_lost(self):
            loop.call_later(delay_seconds, handle, self, data)

    async def plain(self: RTCDtlsTransport, data: bytes, arrival_time_ms: int) -> None:
        if not is_lost(self):
            loop.call_later(delay_seconds, lambda: start(stock(self, data, arrival_time_ms)))

    def start(handling: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(handling)
        delayed.add(task)
        task.add_done_callback(delayed.discard)

    MediaPath.handle = ours  # type: ignore[method-assign]
    RTCDtlsTransport._handle_rtp_data = plain  # type: ignore[method-assign]


async def offer(pictures: Pictures) -> RTCPeerConnection:
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    transceiver = peer.addTransceiver(_PacedTrack(pictures, FPS), direction="sendonly")
    capabilities = RTCRtpSender.getCapabilities("video")
    assert capabilities is not None
    transceiver.setCodecPreferences([c for c in capabilities.codecs if c.mimeType in ("video/VP8", "video/rtx")])
    setattr(transceiver.sender, ENCODER, _ENCODERS["VP8"](DEFAULT_BITRATE_BPS))
    await peer.setLocalDescription()
    return peer


async def measure(arguments: argparse.Namespace) -> None:
    ours, plain = Stream(), Stream()
    count = round(arguments.seconds * FPS)
    sources = [Pictures(stream, count, live=arguments.live) for stream in (ours, plain)]
    sink = WhipSink(CallsConfig(loopback=True), Listener(ours))
    if arguments.loss or arguments.delay_ms:
        impair(arguments.loss, arguments.burst, arguments.delay_ms / 1000)

    our_peer = await offer(sources[0])
    _, answer = await sink.accept("bench", "ours", our_peer.localDescription.sdp)
    [session] = sink._sessions.values()
    tap: ReceiverTap = getattr(peer_of(session)._connection.getTransceivers()[0].receiver, JITTER_BUFFER)
    await our_peer.setRemoteDescription(RTCSessionDescription(answer, "answer"))
    await asyncio.sleep(0.5 / FPS)

    plain_peer, plain_sink = await offer(sources[1]), RTCPeerConnection(RTCConfiguration(iceServers=[]))
    await plain_sink.setRemoteDescription(RTCSessionDescription(plain_peer.localDescription.sdp, "offer"))
    receiving = asyncio.create_task(receive_plainly(plain_sink.getTransceivers()[0].receiver.track, plain.arrived))
    await plain_sink.setLocalDescription()
    await plain_peer.setRemoteDescription(RTCSessionDescription(plain_sink.localDescription.sdp, "answer"))

    await asyncio.sleep(arguments.seconds + 2)
    stream = tap.stream
    print(  # noqa: T201
        f"holes given up {stream.buffer.given_up}, repeated requests {stream.buffer.asked_again}, late packets "
        f"{stream.buffer.late}, gated {stream.counters.gated}, keyframes asked for {stream.counters.keyframe_requests}"
    )
    await sink.close()
    await asyncio.gather(our_peer.close(), plain_peer.close(), plain_sink.close())
    receiving.cancel()
    report(ours, plain)


def report(ours: Stream, plain: Stream) -> None:
    medians = []
    for name, stream in (("ours", ours), ("plain", plain)):
        latencies = stream.latencies_ms
        low, high, top = (float(np.percentile(latencies, share)) for share in (50, 95, 100))
        medians.append(low)
        print(  # noqa: T201
            f"{name:6} {len(latencies)} of {len(stream.measured)} frames, p50 {low:.1f}, p95 {high:.1f}, max {top:.1f} "
            f"ms, longest gap {stream.longest_gap_ms:.0f} ms"
        )
    print(f"plain / ours at p50: {medians[1] / medians[0]:.1f}")  # noqa: T201


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--loss", type=float, default=0.0)
    parser.add_argument("--burst", type=int, default=1)
    parser.add_argument("--delay-ms", type=float, default=0.0)
    parser.add_argument("--live", action="store_true")
    asyncio.run(measure(parser.parse_args()))
