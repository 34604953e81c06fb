"""The tap at a real receiver: what comes from the network, what goes to the decoder, what is asked of the sender."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING

import pytest
from aiortc import RTCConfiguration, RTCPeerConnection
from aiortc.codecs import depayload
from aiortc.codecs.h264 import H264Encoder
from aiortc.rtcdtlstransport import RtpRouter
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from aiortc.rtp import RtcpSenderInfo, RtcpSrPacket, RtpPacket
from av import CodecContext, VideoFrame
from av.video.reformatter import ColorRange

from guard.calls.encoded_stream import AdmittedFrame
from guard.calls.receiver_tap import CODECS, MAX_SSRCS, RETRANSMISSION_SSRCS, STATISTICS, ReceiverTap, limit_ssrcs
from guard.calls.rtp_packet import ReceivedPacket
from guard.calls.source import ReceivedFrame
from guard.config import CallsConfig
from tests.guard.calls.rtp_sender import TICKS, vp8_frame
from tests.whip_endpoint import until

if TYPE_CHECKING:
    from av import VideoCodecContext

VP8, VP8_AGAIN, H264 = 97, 98, 99
DESCRIPTOR = b"\x10"
"""VP8 payload descriptor (RFC 7741 section 4.2): first packet of a frame."""
SPS, IDR = b"\x67\x42\xc0\x1e\xd9\x00\xa0\x47\xfe\xc8", b"\x65\x88\x84"


@dataclass
class Tapped:
    """A receiver with a tap that is fed with packets as its transport would feed it."""

    config: CallsConfig = field(default_factory=CallsConfig)
    oversize: int = 0
    nacks: list[tuple[int, list[int]]] = field(default_factory=list)
    keyframe_requests: list[int] = field(default_factory=list)
    pictures: list[ReceivedFrame] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.receiver = self.connection.addTransceiver("video", direction="recvonly").receiver
        getattr(self.receiver, CODECS).update(
            {
                VP8: RTCRtpCodecParameters(mimeType="video/VP8", clockRate=90_000, payloadType=VP8),
                H264: RTCRtpCodecParameters(mimeType="video/H264", clockRate=90_000, payloadType=H264),
            }
        )
        self.receiver._send_rtcp_nack = self._nack  # type: ignore[method-assign]
        self.receiver._send_rtcp_pli = self._pli  # type: ignore[method-assign]
        self.tap = ReceiverTap(self.receiver, self.config, on_oversize=self._count)
        self.tap.decoder.open(self.pictures.append)

    def _count(self) -> None:
        self.oversize += 1

    async def _nack(self, media_ssrc: int, lost: list[int]) -> None:
        self.nacks.append((media_ssrc, lost))

    async def _pli(self, media_ssrc: int) -> None:
        self.keyframe_requests.append(media_ssrc)

    async def send(
        self,
        number: int,
        payload: bytes,
        *,
        ssrc: int = 1,
        payload_type: int = VP8,
        timestamp: int | None = None,
        marker: bool = True,
    ) -> None:
        stamp = number * TICKS if timestamp is None else timestamp
        packet = ReceivedPacket(number % 65_536, stamp, ssrc, payload_type, marker, payload, 0, None)
        self.tap.take(packet, time.monotonic())
        await asyncio.sleep(0)  # what is asked of the sender leaves

    async def send_frame(self, number: int, *, key: bool = False, ssrc: int = 1) -> None:
        await self.send(number, DESCRIPTOR + vp8_frame(number, key=key), ssrc=ssrc)

    def to_decoder(self) -> list[tuple[str, bytes, int]]:
        """Codec, data and number of all that waits for the decoder; takes it."""
        decoder, frames = self.tap.decoder, []
        while decoder.qsize():
            given = decoder._waiting.get_nowait()
            if isinstance(given, AdmittedFrame):
                name = str(getattr(self.receiver, CODECS)[given.payload_type].name)
                frames.append((name, given.data, decoder._account.send(given)))
            elif given is not None:
                decoder.work(given)
        return frames

    def decode(self) -> None:
        """What waits goes through libav."""
        while self.tap.decoder.qsize():
            given = self.tap.decoder._waiting.get_nowait()
            assert given is not None
            self.tap.decoder.work(given)

    def decoded(self, number: int) -> tuple[float, float | None, bool] | None:
        """The decoder gives a picture back: media time, capture time, gap."""
        image = VideoFrame(16, 16, "yuv420p")
        image.pts = number
        self.pictures.clear()
        self.tap.decoder.take(image)
        if not self.pictures:
            return None
        [received] = self.pictures
        return received.pts_seconds, received.capture_seconds, received.after_gap


@pytest.fixture
async def tapped() -> AsyncIterator[Tapped]:
    made = Tapped()
    yield made
    await made.connection.close()


async def test_a_frame_goes_to_the_decoder_with_its_own_packet(tapped: Tapped) -> None:
    for number in range(3):
        await tapped.send_frame(number, key=number == 0)
        [(codec, data, _)] = tapped.to_decoder()
        assert (codec, data) == ("VP8", vp8_frame(number, key=number == 0))
    assert (tapped.nacks, tapped.keyframe_requests) == ([], [])


async def test_a_filled_hole_lets_all_out_at_once_in_order(tapped: Tapped) -> None:
    await tapped.send_frame(65_534, key=True)
    for number in (65_536, 65_537, 65_538):
        await tapped.send_frame(number)
    assert len(tapped.to_decoder()) == 1
    await tapped.send_frame(65_535)
    assert [data for _, data, _ in tapped.to_decoder()] == [
        vp8_frame(number, key=False) for number in (65_535, 65_536, 65_537, 65_538)
    ]
    assert tapped.nacks == [(1, [65_535])]


async def test_lost_packets_are_asked_for_in_ascending_order(tapped: Tapped) -> None:
    """aiortc packs neighbours into a bit mask and fails on a step back."""
    await tapped.send_frame(65_534, key=True)
    await tapped.send_frame(65_538)
    assert tapped.nacks == [(1, [0, 1, 65_535])]


@pytest.mark.parametrize("name", ["rtx", "RTX"])
async def test_a_retransmission_fills_the_hole(tapped: Tapped, name: str) -> None:
    """In any spelling, since names of codecs know no case."""
    getattr(tapped.receiver, CODECS)[VP8_AGAIN] = RTCRtpCodecParameters(
        mimeType=f"video/{name}", clockRate=90_000, payloadType=VP8_AGAIN, parameters={"apt": VP8}
    )
    getattr(tapped.receiver, RETRANSMISSION_SSRCS)[7] = 1
    await tapped.send_frame(0, key=True)
    await tapped.send_frame(2)
    lost = (1).to_bytes(2, "big") + DESCRIPTOR + vp8_frame(1, key=False)
    await tapped.send(500, lost, ssrc=7, payload_type=VP8_AGAIN, timestamp=TICKS)
    await tapped.send(501, b"", ssrc=7, payload_type=VP8_AGAIN)  # Chromium fills with empty ones
    assert [data for _, data, _ in tapped.to_decoder()] == [vp8_frame(number, key=number == 0) for number in range(3)]
    assert sorted(getattr(tapped.receiver, STATISTICS)) == [1, 7]


async def test_a_payload_type_that_was_not_negotiated_is_left_alone(tapped: Tapped) -> None:
    await tapped.send(0, DESCRIPTOR + vp8_frame(0, key=True), payload_type=111)
    assert tapped.to_decoder() == []
    assert getattr(tapped.receiver, STATISTICS) == {}


async def test_nothing_is_handed_over_after_the_end(tapped: Tapped) -> None:
    await tapped.send_frame(0, key=True)
    [(_, _, number)] = tapped.to_decoder()
    tapped.tap.close()
    assert tapped.decoded(number) is None
    await tapped.send_frame(1, key=True)
    assert tapped.to_decoder() == []


async def test_a_hole_ends_though_no_further_packet_comes(tapped: Tapped) -> None:
    await tapped.send_frame(0, key=True)
    await tapped.send_frame(2)
    await until(lambda: tapped.keyframe_requests == [1])
    assert len(tapped.nacks) > 1
    assert not tapped.tap.stream.is_waiting


async def test_each_frame_is_decoded_by_its_own_codec(tapped: Tapped) -> None:
    await tapped.send_frame(0, key=True)
    await tapped.send(3, IDR, payload_type=H264, timestamp=6000)
    await tapped.send(2, SPS, payload_type=H264, timestamp=6000)
    await tapped.send_frame(1)
    waiting = tapped.to_decoder()
    assert [codec for codec, _, _ in waiting] == ["VP8", "VP8", "H264", "H264"]
    assert waiting[-1][1] == b"\x00\x00\x00\x01" + IDR


async def test_a_frame_that_the_decoder_refuses_gates_to_a_keyframe(tapped: Tapped) -> None:
    await tapped.send_frame(0, key=True)
    tapped.decode()  # there is no picture behind its header
    await asyncio.sleep(0)
    await tapped.send_frame(1)
    assert tapped.to_decoder() == []
    assert tapped.keyframe_requests == [1]
    assert tapped.pictures == []


async def test_parameter_sets_of_their_own_are_no_failure(tapped: Tapped) -> None:
    """Some senders send them as a frame, with a marker; libavcodec takes them and has no picture to give."""
    encoder = H264Encoder()
    frames: list[tuple[int, list[bytes]]] = []
    for number in range(3):
        frame = VideoFrame(320, 180, "yuv420p")
        frame.pts, frame.time_base = number * TICKS, Fraction(1, 90_000)
        frames.append((number, list(encoder._encode_frame(frame, force_keyframe=number == 0))))
    sets = [unit for unit in frames[0][1] if unit[0] & 0x1F in (7, 8)]
    assert len(sets) == 2
    frames[0] = (0, [unit for unit in frames[0][1] if unit not in sets])
    sequence = 0
    for number, units in [(0, sets), *frames]:
        for unit in units:
            last = unit is units[-1]
            await tapped.send(sequence, unit, payload_type=H264, timestamp=number * TICKS, marker=last)
            sequence += 1
        tapped.decode()
        await asyncio.sleep(0)
    assert [picture.after_gap for picture in tapped.pictures] == [False, False, False]
    assert tapped.keyframe_requests == []


@pytest.mark.parametrize("clamping_type", [0, 1])
async def test_no_vp8_is_of_full_range(tapped: Tapped, clamping_type: int) -> None:
    """The bit says that a decoder need not clamp; to libavcodec it says what the luma means."""
    encoder: VideoCodecContext = CodecContext.create("libvpx", "w")
    encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = 320, 240, "yuv420p", Fraction(1, 30)
    encoder.options = {"deadline": "realtime", "lag-in-frames": "0"}
    frame = VideoFrame(320, 240, "yuv420p")
    frame.pts = 0
    data = bytearray(b"".join(bytes(packet) for packet in encoder.encode(frame)))
    data[10] |= clamping_type << 6
    await tapped.send(0, DESCRIPTOR + bytes(data))
    tapped.decode()
    [picture] = tapped.pictures
    assert picture.image.color_range == ColorRange.MPEG


async def test_pictures_keep_their_media_time_and_tell_gaps(tapped: Tapped) -> None:
    for number in range(4):
        await tapped.send_frame(number, key=number in (0, 3))
    numbers = [number for _, _, number in tapped.to_decoder()]
    assert tapped.decoded(numbers[0]) == (0, None, False)
    # The second never comes back, so the third is smeared.
    assert tapped.decoded(numbers[2]) is None
    assert tapped.decoded(numbers[3]) == (3 * TICKS / 90_000, None, True)


async def test_a_smeared_picture_asks_for_a_keyframe_by_itself(tapped: Tapped) -> None:
    await tapped.send_frame(0, key=True)
    assert tapped.decoded(99) is None
    await until(lambda: tapped.keyframe_requests == [1])


async def test_an_oversize_picture_is_reported(tapped: Tapped) -> None:
    await tapped.send(0, DESCRIPTOR + b"\x10\x00\x00\x9d\x01\x2a\xff\x3f\xff\x3f")
    assert tapped.oversize == 1
    assert tapped.to_decoder() == []


BYTES = 1000


@pytest.mark.parametrize(
    "config", [CallsConfig(max_packets_per_second=100), CallsConfig(max_bitrate_bps=100 * 8 * BYTES)]
)
async def test_what_is_over_the_rate_is_dropped_before_anything_is_done_with_it(config: CallsConfig) -> None:
    tapped = Tapped(config)
    started = time.monotonic()
    for number in range(1000):
        await tapped.send(number, (DESCRIPTOR + vp8_frame(number, key=True)).ljust(BYTES, b"\xff"))
    passed = 1000 - tapped.tap.over_rate
    assert 100 <= passed <= 100 * (1 + time.monotonic() - started)
    await tapped.connection.close()


def test_a_flood_of_ssrcs_is_not_remembered() -> None:
    class Receiver:
        """Stands for the one receiver of a connection."""

        def _handle_disconnect(self) -> None: ...

        async def _handle_rtcp_packet(self, packet: object) -> None: ...

        async def _handle_rtp_packet(self, packet: RtpPacket, arrival_time_ms: int) -> None: ...

    router = RtpRouter()
    receiver = Receiver()
    router.register_receiver(receiver, ssrcs=[1], payload_types=[97])
    limit_ssrcs(router)
    for ssrc in range(2, 1000):
        packet = RtpPacket(payload_type=97)
        packet.ssrc = ssrc
        router.route_rtp(packet)
    assert len(router.ssrc_table) == MAX_SSRCS
    known = RtpPacket(payload_type=97)
    known.ssrc = 1
    assert router.route_rtp(known) is receiver


async def test_only_reports_of_the_media_stream_set_the_capture_clock(tapped: Tapped) -> None:
    """A retransmission stream reports too, but its timestamps start elsewhere."""

    def report(ssrc: int) -> RtcpSrPacket:
        info = RtcpSenderInfo(ntp_timestamp=3_999_000_000 << 32, rtp_timestamp=0, packet_count=1, octet_count=1)
        return RtcpSrPacket(ssrc=ssrc, sender_info=info)

    for number in range(2):
        await tapped.send_frame(number, key=True)
    first, second = (number for _, _, number in tapped.to_decoder())
    await tapped.receiver._handle_rtcp_packet(report(ssrc=2))
    assert tapped.to_decoder() == []
    assert tapped.decoded(first) == (0, None, False)
    await tapped.receiver._handle_rtcp_packet(report(ssrc=1))
    assert tapped.to_decoder() == []
    decoded = tapped.decoded(second)
    assert decoded is not None
    assert decoded[1] == pytest.approx(3_999_000_000 - 2_208_988_800 + TICKS / 90_000)


def test_depayloading_gives_what_the_headers_are_read_from() -> None:
    vp8 = RTCRtpCodecParameters(mimeType="video/VP8", clockRate=90_000, payloadType=VP8)
    h264 = RTCRtpCodecParameters(mimeType="video/H264", clockRate=90_000, payloadType=H264)
    assert depayload(vp8, DESCRIPTOR + b"frame") == b"frame"
    assert depayload(h264, IDR) == b"\x00\x00\x00\x01" + IDR
