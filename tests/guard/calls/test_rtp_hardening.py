"""Packets with valid keys on which aiortc trips: they are dropped, and the connection, its reports and its end work."""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator

import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import VideoStreamTrack
from aiortc.rtcdtlstransport import RTCDtlsTransport
from aiortc.rtcrtpreceiver import RTCRtpReceiver, StreamStatistics
from aiortc.rtp import AnyRtcpPacket, RtpPacket

from guard.calls.bounded_close import close_within
from guard.calls.receiver_tap import JITTER_BUFFER, ReceiverTap
from guard.calls.whip_sink import WhipSink
from guard.config import CallsConfig
from tests.whip_endpoint import Recorder, peer_of, until

ABS_SEND_TIME = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
REMOTE_STREAMS = "_RTCRtpReceiver__remote_streams"
RTCP_TASK = "_RTCRtpReceiver__rtcp_task"


class Call:
    """One publisher at a sink, both in this process."""

    def __init__(self) -> None:
        self.listener = Recorder()
        self.sink = WhipSink(CallsConfig(loopback=True), self.listener)
        self.peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))

    async def connect(self) -> None:
        self.peer.addTransceiver(VideoStreamTrack(), direction="sendonly")
        await self.peer.setLocalDescription()
        _, answer = await self.sink.accept("standup", "eve", self.peer.localDescription.sdp)
        await self.peer.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        await until(lambda: self.listener.received("eve") > 0)

    @property
    def transport(self) -> RTCDtlsTransport:
        return self.peer.getSenders()[0].transport

    @property
    def receiver(self) -> RTCRtpReceiver:
        [session] = self.sink._sessions.values()
        return peer_of(session)._connection.getTransceivers()[0].receiver

    @property
    def tap(self) -> ReceiverTap:
        tap: ReceiverTap = getattr(self.receiver, JITTER_BUFFER)
        return tap

    @property
    def payload_type(self) -> int:
        [transceiver] = self.peer.getTransceivers()
        payload_type = transceiver._codecs[0].payloadType
        assert payload_type is not None
        return payload_type

    @property
    def ssrc(self) -> int:
        return self.peer.getSenders()[0]._ssrc

    def extension_id(self, uri: str) -> int:
        [transceiver] = self.peer.getTransceivers()
        return next(extension.id for extension in transceiver._headerExtensions if extension.uri == uri)

    async def goes_on(self) -> bool:
        """Whether pictures still come."""
        seen = self.listener.received("eve")
        await until(lambda: self.listener.received("eve") >= seen + 5)
        return self.listener.of("eve") == ["joined"]


@pytest.fixture
async def call() -> AsyncIterator[Call]:
    made = Call()
    await made.connect()
    yield made
    await made.sink.close()
    await made.peer.close()


async def test_a_header_extension_of_a_wrong_length_costs_its_packet_only(call: Call) -> None:
    """aiortc lets `struct.error` out of its loop: one packet that an SFU passes on would end everybody's stream."""
    extension = bytes([call.extension_id(ABS_SEND_TIME) << 4 | 0, 0xFF, 0, 0])
    header = struct.pack("!BBHLL", 0x90, 97, 1, 1, 4711) + struct.pack("!HH", 0xBEDE, 1)
    await call.transport._send_rtp(header + extension + b"\x10" + bytes(20))
    assert await call.goes_on()


async def test_a_bandwidth_estimate_that_is_cut_costs_its_packet_only(call: Call) -> None:
    estimate = b"REMB" + bytes([9, 0, 0, 1])
    await call.transport._send_rtp(struct.pack("!BBHLL", 0x80 | 15, 206, 4, 4711, 0) + estimate)
    assert await call.goes_on()


async def test_empty_frames_do_not_stop_the_video(call: Call) -> None:
    """A decoder takes an empty frame for the end of the video (tests/guard/calls/test_aiortc_contract.py)."""
    await until(lambda: call.tap.stream.buffer._newest > 0)
    for number in range(1, 20):
        packet = RtpPacket(call.payload_type, 1, (call.tap.stream.buffer._newest + number) % 65536, number, call.ssrc)
        packet.payload = b"\x10"
        await call.transport._send_rtp(packet.serialize())
    assert await call.goes_on()


async def test_a_report_that_cannot_be_written_does_not_end_the_reports(call: Call) -> None:
    """The task that died of it could not be stopped: `close()` waited for ever."""
    await until(lambda: bool(getattr(call.receiver, REMOTE_STREAMS)))
    [statistics] = getattr(call.receiver, REMOTE_STREAMS).values()
    statistics._jitter_q4 = (1 << 36) + 16
    statistics.add = lambda packet: None
    sent = _reports(call.receiver)
    await until(lambda: len(sent) >= 2)
    assert not getattr(call.receiver, RTCP_TASK).done()
    [session] = call.sink._sessions.values()
    assert await close_within(peer_of(session)._connection, 5.0)


def _reports(receiver: RTCRtpReceiver) -> list[object]:
    """What the receiver means to send from now on."""
    sent: list[object] = []
    stock = receiver._send_rtcp

    async def noted(packet: AnyRtcpPacket) -> None:
        sent.append(packet)
        await stock(packet)

    receiver._send_rtcp = noted  # type: ignore[method-assign]
    return sent


def test_time_stamps_that_jump_back_and_forth_reach_such_a_jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 3550 section 6.4.1 gives it 32 bits, aiortc counts on."""
    now = 0.0
    monkeypatch.setattr("aiortc.rtcrtpreceiver.time.time", lambda: now)
    statistics = StreamStatistics(90_000)
    for number in range(1000):
        back = number % 2 == 0
        now += 1.0 if back else 0.001
        statistics.add(RtpPacket(sequence_number=number, timestamp=0 if back else 0xFFFF_FFFF))
    assert statistics.jitter > 0xFFFF_FFFF
