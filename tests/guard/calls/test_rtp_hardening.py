"""Packets with valid keys on which aiortc trips: they are dropped, and the connection, its reports and its end work."""

from __future__ import annotations

import struct

import pytest
from aiortc.rtcrtpreceiver import RTCRtpReceiver, StreamStatistics
from aiortc.rtp import AnyRtcpPacket, RtpPacket

from guard.calls.bounded_close import close_within
from guard.calls.ice_hardening import divert_media
from tests.guard.calls.connected_publisher import ConnectedPublisher
from tests.whip_endpoint import until

ABS_SEND_TIME = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
REMOTE_STREAMS = "_RTCRtpReceiver__remote_streams"
RTCP_TASK = "_RTCRtpReceiver__rtcp_task"


async def test_a_header_extension_of_a_wrong_length_costs_its_packet_only(eve: ConnectedPublisher) -> None:
    """aiortc lets `struct.error` out of its loop: one packet that an SFU passes on would end everybody's stream."""
    extension = bytes([eve.extension_id(ABS_SEND_TIME) << 4 | 0, 0xFF, 0, 0])
    header = struct.pack("!BBHLL", 0x90, 97, 1, 1, 4711) + struct.pack("!HH", 0xBEDE, 1)
    await eve.transport._send_rtp(header + extension + b"\x10" + bytes(20))
    assert await eve.goes_on()


async def test_what_came_before_the_keys_takes_the_same_way(eve: ConnectedPublisher) -> None:
    """aiortc has it in a queue, and hands it over once it can read it."""
    divert_media(eve.receiver.transport.transport._connection, lambda data: False)
    assert await eve.goes_on()


async def test_a_bandwidth_estimate_that_is_cut_costs_its_packet_only(eve: ConnectedPublisher) -> None:
    estimate = b"REMB" + bytes([9, 0, 0, 1])
    await eve.transport._send_rtp(struct.pack("!BBHLL", 0x80 | 15, 206, 4, 4711, 0) + estimate)
    assert await eve.goes_on()


async def test_empty_frames_do_not_stop_the_video(eve: ConnectedPublisher) -> None:
    """A decoder takes an empty frame for the end of the video (tests/guard/calls/test_aiortc_contract.py)."""
    await until(lambda: eve.tap.stream.buffer._newest > 0)
    for number in range(1, 20):
        await eve.send_rtp(eve.ssrc, (eve.tap.stream.buffer._newest + number) % 65536, number, b"\x10")
    assert await eve.goes_on()


async def test_a_report_that_cannot_be_written_does_not_end_the_reports(eve: ConnectedPublisher) -> None:
    """The task that died of it could not be stopped: `close()` waited for ever."""
    await until(lambda: bool(getattr(eve.receiver, REMOTE_STREAMS)))
    [statistics] = getattr(eve.receiver, REMOTE_STREAMS).values()
    statistics._jitter_q4 = (1 << 36) + 16
    statistics.add = lambda packet: None
    sent = _reports(eve.receiver)
    await until(lambda: len(sent) >= 2)
    assert not getattr(eve.receiver, RTCP_TASK).done()
    assert await close_within(eve.received_over, 5.0)


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
