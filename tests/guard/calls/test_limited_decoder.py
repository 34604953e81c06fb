"""What reaches the decoder of a stream that libav reads, with a clock that only the test moves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from io import BytesIO
from typing import TYPE_CHECKING, cast

import av
import pytest

from guard.calls.limited_decoder import LATE_SECONDS, LimitedDecoder
from guard.calls.source import ReceivedFrame
from guard.config import CallsConfig
from tests.rtsp_server import FPS, h264_frames
from tests.whip_endpoint import number_of, numbered_frames

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.stream import VideoStream

CLIP = h264_frames(numbered_frames(60))


@dataclass
class Player:
    """Gives a decoder one access unit after the other."""

    decoder: LimitedDecoder

    def frames(self, units: list[bytes], speed: float = 1.0) -> list[ReceivedFrame]:
        received: list[ReceivedFrame] = []
        for number, unit in enumerate(units):
            packet = av.Packet(unit)
            packet.stream, packet.pts, packet.time_base = self.decoder.stream, number, Fraction(1, FPS)
            received += self.decoder.decode(cast("Packet[VideoStream]", packet), number / FPS / speed)
        return received


@contextmanager
def playing(config: CallsConfig, units: list[bytes] = CLIP) -> Iterator[Player]:
    with av.open(BytesIO(b"".join(units)), format="h264") as container:
        yield Player(LimitedDecoder(container.streams.video[0], config))


def test_every_picture_comes_with_its_time() -> None:
    with playing(CallsConfig()) as player:
        frames = player.frames(CLIP)
    assert [number_of(frame) for frame in frames] == list(range(60))
    assert not any(frame.after_gap for frame in frames)
    assert player.decoder.over is None


def test_more_frames_than_allowed_cost_pictures_up_to_the_next_keyframe() -> None:
    with playing(CallsConfig(max_fps=15)) as player:
        frames = player.frames(CLIP)
    # 15 at once and 15 a second, over two seconds; keyframes are 15 frames apart.
    assert 15 <= len(frames) <= 45
    gaps = [number_of(frame) for frame in frames if frame.after_gap]
    assert gaps
    assert all(number is not None and number % 15 == 0 for number in gaps)


@pytest.mark.parametrize("limit", [{"max_bitrate_bps": 100_000}, {"max_frame_bytes": 10_000}])
def test_more_bytes_than_allowed_are_not_decoded(limit: dict[str, int]) -> None:
    filler = b"\x00\x00\x00\x01\x0c" + b"\xff" * 20_000 + b"\x80"
    padded = [unit + filler for unit in CLIP]
    with playing(CallsConfig()) as player:
        assert len(player.frames(padded)) == 60
    with playing(CallsConfig(**limit)) as player:
        assert player.frames(padded) == []


def test_a_larger_picture_ends_the_stream_before_it_is_decoded() -> None:
    with playing(CallsConfig(max_width_px=160, max_height_px=120)) as player:
        assert player.frames(CLIP) == []
        assert player.decoder.over == "the video is larger than this guard accepts"
        assert not player.decoder.stream.codec_context.is_open


def test_after_damage_nothing_is_shown_before_a_keyframe() -> None:
    with playing(CallsConfig()) as player:
        frames = player.frames([*CLIP[:5], b"no start code in here", *CLIP[6:]])
    numbers = [number_of(frame) for frame in frames]
    assert numbers == [*range(5), *range(15, 60)]
    assert [number_of(frame) for frame in frames if frame.after_gap] == [15]


def test_video_that_comes_later_and_later_ends() -> None:
    with playing(CallsConfig()) as player:
        player.frames([*CLIP, *CLIP], speed=0.3)
    assert player.decoder.over == f"the video comes more than {LATE_SECONDS:.0f} s late"
