"""The tap at a real receiver: what aiortc hands over, what goes to the decoder, what is asked of the sender."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from aiortc import RTCConfiguration, RTCPeerConnection
from aiortc.codecs import depayload
from aiortc.rtcdtlstransport import RtpRouter
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from aiortc.rtp import RtcpSenderInfo, RtcpSrPacket, RtpPacket
from av import VideoFrame

from guard.calls.receiver_tap import CODECS, DECODER_ERROR, DECODER_QUEUE, MAX_SSRCS, ReceiverTap, limit_ssrcs
from guard.config import CallsConfig
from tests.guard.calls.rtp_sender import TICKS, vp8_frame
from tests.whip_endpoint import until

VP8, H264 = 97, 99
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

    def _count(self) -> None:
        self.oversize += 1

    async def _nack(self, media_ssrc: int, lost: list[int]) -> None:
        self.nacks.append((media_ssrc, lost))

    async def _pli(self, media_ssrc: int) -> None:
        self.keyframe_requests.append(media_ssrc)

    async def send(
        self, number: int, payload: bytes, *, ssrc: int = 1, payload_type: int = VP8, timestamp: int | None = None
    ) -> None:
        packet = RtpPacket(payload_type, 1, number % 65_536, number * TICKS if timestamp is None else timestamp)
        packet.ssrc = ssrc
        packet.payload = payload
        await self.receiver._handle_rtp_packet(packet, arrival_time_ms=0)

    async def send_frame(self, number: int, *, key: bool = False, ssrc: int = 1) -> None:
        await self.send(number, DESCRIPTOR + vp8_frame(number, key=key), ssrc=ssrc)

    def to_decoder(self) -> list[tuple[str, bytes, int]]:
        """Codec, data and number of all that waits for the decoder; takes it."""
        waiting = getattr(self.receiver, DECODER_QUEUE)
        taken = [waiting.get_nowait() for _ in range(waiting.qsize())]
        return [(codec.name, frame.data, frame.timestamp) for codec, frame in taken]

    def decoded(self, number: int) -> tuple[float, float | None, bool] | None:
        """The decoder gives a picture back: media time, capture time, gap."""
        image = VideoFrame(16, 16, "yuv420p")
        image.pts = number
        received = self.tap.received(image)
        return None if received is None else (received.pts_seconds, received.capture_seconds, received.after_gap)


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
    getattr(tapped.receiver, DECODER_ERROR).set()
    await tapped.send_frame(1)
    assert len(tapped.to_decoder()) == 1
    assert tapped.keyframe_requests == [1]


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
    assert tapped.decoded(first) == (0, None, False)
    await tapped.receiver._handle_rtcp_packet(report(ssrc=1))
    decoded = tapped.decoded(second)
    assert decoded is not None
    assert decoded[1] == pytest.approx(3_999_000_000 - 2_208_988_800 + TICKS / 90_000)


def test_depayloading_gives_what_the_headers_are_read_from() -> None:
    vp8 = RTCRtpCodecParameters(mimeType="video/VP8", clockRate=90_000, payloadType=VP8)
    h264 = RTCRtpCodecParameters(mimeType="video/H264", clockRate=90_000, payloadType=H264)
    assert depayload(vp8, DESCRIPTOR + b"frame") == b"frame"
    assert depayload(h264, IDR) == b"\x00\x00\x00\x01" + IDR
