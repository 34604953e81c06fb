"""Gaps: what the decoder never got, or never gave back, is marked on the next frame that comes out."""

from __future__ import annotations

from aiortc import RTCConfiguration, RTCPeerConnection
from aiortc.jitterbuffer import JitterBuffer
from aiortc.rtcdtlstransport import RtpRouter
from aiortc.rtp import RtcpSenderInfo, RtcpSrPacket, RtpPacket
from av import VideoFrame

from guard.calls.frame_gate import FrameGate
from guard.calls.receiver_tap import (
    JITTER_BUFFER,
    MAX_SSRCS,
    TIMESTAMP_MAPPER,
    GatedJitterBuffer,
    ReceiverTap,
    limit_ssrcs,
)

KEY = b"\x10\x00\x00\x9d\x01\x2a\x80\x02\x68\x01"
DELTA = b"\x11\x00\x00"
HUGE = b"\x10\x00\x00\x9d\x01\x2a\xff\x3f\xff\x3f"


class Stream:
    """Feeds one-packet frames; a frame leaves aiortc's buffer when the next one begins."""

    def __init__(self, backlog: int = 0) -> None:
        self.backlog = backlog
        self.oversize = 0
        self.buffer = GatedJitterBuffer(
            stock=JitterBuffer(capacity=128, is_video=True),
            gate=FrameGate(1920, 1080),
            codec_of=lambda _: "VP8",
            backlog=lambda: self.backlog,
            on_oversize=self._count,
        )

    def _count(self) -> None:
        self.oversize += 1

    def send(self, number: int, data: bytes) -> tuple[bool, int | None]:
        """Returns (picture-loss indication wanted, RTP timestamp of the released frame)."""
        packet = RtpPacket(payload_type=97, sequence_number=number % 65536, timestamp=number * 3000)
        packet.ssrc = 1
        packet._data = data  # type: ignore[attr-defined]
        wanted, frame = self.buffer.add(packet)
        return wanted, None if frame is None else frame.timestamp


def test_an_unbroken_stream_has_no_gap() -> None:
    stream = Stream()
    released = [stream.send(number, KEY if number == 0 else DELTA)[1] for number in range(6)]
    assert released == [None, 0, 3000, 6000, 9000, 12000]
    assert [stream.buffer.follows_gap(number * 3000) for number in range(5)] == [False] * 5


def test_a_frame_that_the_decoder_swallows_marks_the_next_one() -> None:
    stream = Stream()
    for number in range(5):
        stream.send(number, KEY if number == 0 else DELTA)
    assert not stream.buffer.follows_gap(0)
    # 3000 failed to decode and never comes.
    assert stream.buffer.follows_gap(6000)
    assert not stream.buffer.follows_gap(9000)


def test_the_wait_for_a_keyframe_asks_for_one_and_marks_it() -> None:
    stream = Stream()
    for number in range(3):
        stream.send(number, KEY if number == 0 else DELTA)
    assert not stream.buffer.follows_gap(0)
    assert not stream.buffer.follows_gap(3000)

    stream.backlog = 99
    wanted, released = stream.send(3, DELTA)
    assert (wanted, released) == (True, None)
    stream.backlog = 0
    assert stream.send(4, KEY) == (False, None)  # gated; not asked twice within a moment
    stream.send(5, DELTA)
    assert stream.buffer.follows_gap(4 * 3000)


def test_joining_in_the_middle_is_no_gap() -> None:
    stream = Stream()
    for number in range(4):
        stream.send(number, DELTA)
    stream.send(4, KEY)
    stream.send(5, DELTA)
    assert not stream.buffer.follows_gap(4 * 3000)


def test_a_restarted_stream_waits_for_a_keyframe() -> None:
    stream = Stream()
    for number in range(1000, 1003):
        stream.send(number, KEY if number == 1000 else DELTA)
    wanted, _ = stream.send(1, DELTA)  # far back: aiortc resets its buffer
    assert wanted
    assert stream.send(2, DELTA)[1] is None
    stream.send(3, KEY)
    assert stream.send(4, DELTA)[1] == 3 * 3000


def test_an_oversize_keyframe_is_reported_and_not_passed_on() -> None:
    stream = Stream()
    stream.send(0, HUGE)
    assert stream.send(1, DELTA)[1] is None
    assert stream.oversize == 1


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


async def test_only_reports_of_the_media_stream_set_the_capture_clock() -> None:
    """A retransmission stream reports too, but its timestamps start elsewhere."""
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    receiver = connection.addTransceiver("video", direction="recvonly").receiver
    tap = ReceiverTap(receiver, 1920, 1080, on_oversize=lambda: None)
    getattr(receiver, TIMESTAMP_MAPPER).map(0)
    packet = RtpPacket(payload_type=97, sequence_number=1, timestamp=0)
    packet.ssrc = 1
    packet._data = KEY  # type: ignore[attr-defined]
    getattr(receiver, JITTER_BUFFER).add(packet)

    def capture_seconds() -> float | None:
        image = VideoFrame(16, 16, "yuv420p")
        image.pts = 0
        received = tap.received(image)
        assert received is not None
        return received.capture_seconds

    def report(ssrc: int) -> RtcpSrPacket:
        info = RtcpSenderInfo(ntp_timestamp=3_999_000_000 << 32, rtp_timestamp=0, packet_count=1, octet_count=1)
        return RtcpSrPacket(ssrc=ssrc, sender_info=info)

    await receiver._handle_rtcp_packet(report(ssrc=2))
    assert capture_seconds() is None
    await receiver._handle_rtcp_packet(report(ssrc=1))
    assert capture_seconds() == 3_999_000_000 - 2_208_988_800
    await connection.close()
