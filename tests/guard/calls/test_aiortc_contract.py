"""The private parts of aiortc and aioice that guard/calls builds on, as they are in the pinned version."""

from __future__ import annotations

import asyncio
import inspect
import re
import struct
from fractions import Fraction
from importlib.metadata import version
from queue import Queue
from threading import Event
from types import SimpleNamespace
from typing import cast

import av
import numpy as np
import pylibsrtp
import pytest
from aioice import Candidate, Connection, ice, stun
from aiortc import RTCConfiguration, RTCPeerConnection
from aiortc.codecs.h264 import H264Decoder, H264Encoder, H264PayloadDescriptor
from aiortc.codecs.vpx import Vp8Decoder, Vp8Encoder, VpxPayloadDescriptor
from aiortc.jitterbuffer import JitterBuffer, JitterFrame
from aiortc.rtcrtpreceiver import NackGenerator, RTCRtpReceiver, decoder_worker
from aiortc.rtp import RTCP_RTPFB_NACK, RtcpPacket, RtcpRtpfbPacket, RtpPacket
from av import VideoFrame

from guard.calls.ice_hardening import (
    MAX_DATAGRAM_BYTES,
    install_datagram_filter,
    install_loopback_candidates,
    is_acceptable,
)
from guard.calls.jitter_buffer import MAX_NACK_NUMBERS
from guard.calls.publisher import ENCODER
from guard.calls.receiver_tap import (
    CODECS,
    DECODER_ERROR,
    DECODER_QUEUE,
    HANDLE_RTCP,
    HANDLE_RTP,
    JITTER_BUFFER,
    NACK_GENERATOR,
)


def test_the_pinned_version_is_installed() -> None:
    assert version("aiortc").startswith("1.16.")


async def test_the_receiver_has_the_parts_that_are_tapped() -> None:
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    transceiver = connection.addTransceiver("video", direction="recvonly")
    receiver = transceiver.receiver
    assert isinstance(getattr(receiver, JITTER_BUFFER), JitterBuffer)
    assert isinstance(getattr(receiver, DECODER_QUEUE), Queue)
    assert isinstance(getattr(receiver, DECODER_ERROR), Event)
    assert isinstance(getattr(receiver, NACK_GENERATOR), NackGenerator)
    assert isinstance(getattr(receiver, CODECS), dict)
    assert inspect.iscoroutinefunction(getattr(receiver, HANDLE_RTCP))
    assert list(inspect.signature(getattr(receiver, HANDLE_RTP)).parameters) == ["packet", "arrival_time_ms"]
    assert list(inspect.signature(receiver._send_rtcp_nack).parameters) == ["media_ssrc", "lost"]
    assert list(inspect.signature(receiver._send_rtcp_pli).parameters) == ["media_ssrc"]
    assert isinstance(receiver.transport._rtp_router.ssrc_table, dict)
    assert getattr(transceiver.sender, ENCODER) is None
    await connection.close()


def test_the_encoders_take_their_rate_from_the_property_that_is_overridden() -> None:
    for encoder in (Vp8Encoder, H264Encoder):
        assert "self.target_bitrate" in inspect.getsource(encoder)


def test_the_receiver_asks_its_jitter_buffer_for_nothing_but_frames() -> None:
    source = inspect.getsource(RTCRtpReceiver)
    assert set(re.findall(r"__jitter_buffer\.(\w+)", source)) == {"add"}
    assert "if self.__nack_generator is not None and" in source
    parameters = inspect.signature(JitterBuffer.add).parameters
    assert list(parameters) == ["self", "packet"]


def test_packets_reach_the_jitter_buffer_unwrapped_and_depayloaded() -> None:
    handler = inspect.getsource(RTCRtpReceiver._handle_rtp_packet)
    steps = ["unwrap_rtx(", "depayload(", "__jitter_buffer.add(packet)"]
    assert sorted(steps, key=handler.index) == steps


def test_the_decoder_takes_codec_and_frame_and_its_timestamp_is_the_pts() -> None:
    assert "codec, encoded_frame = task" in inspect.getsource(decoder_worker)
    frame = JitterFrame(b"data", timestamp=7)
    assert (frame.data, frame.timestamp) == (b"data", 7)
    for decoder in (Vp8Decoder, H264Decoder):
        assert "packet.pts = encoded_frame.timestamp" in inspect.getsource(decoder)


def test_the_largest_request_for_lost_packets_fits_into_a_datagram() -> None:
    scattered = RtcpRtpfbPacket(RTCP_RTPFB_NACK, 1, 2, lost=list(range(0, 17 * 2 * MAX_NACK_NUMBERS, 17 * 2)))
    assert len(bytes(scattered)) + 148 <= 1500
    [parsed] = RtcpPacket.parse(bytes(scattered))
    assert isinstance(parsed, RtcpRtpfbPacket)
    assert parsed.lost == scattered.lost


async def test_a_remote_candidate_has_the_address_that_is_compared() -> None:
    connection = Connection(ice_controlling=False)
    await connection.add_remote_candidate(Candidate.from_sdp("1 1 udp 2130706431 192.0.2.7 5000 typ host"))
    [candidate] = connection._remote_candidates
    assert (candidate._network_host, candidate.port) == ("192.0.2.7", 5000)
    await connection.close()


BINDING_REQUEST = stun.Message(message_method=stun.Method.BINDING, message_class=stun.Class.REQUEST)
STUN_WITH_A_SHORT_ATTRIBUTE = struct.pack("!HHI12sHHL", 1, 8, 0x2112A442, bytes(12), 0x802A, 4, 7)
"""ICE-CONTROLLING of four bytes instead of eight: `struct.error` in aioice."""


@pytest.mark.parametrize(
    ("data", "addr", "acceptable"),
    [
        (b"\x80" + bytes(99), ("192.0.2.7", 5000), True),  # media of the peer
        (b"\x80" + bytes(99), ("192.0.2.7", 5001), False),  # another port of its machine
        (b"\x80" + bytes(99), ("192.0.2.8", 5000), False),  # a stranger
        (b"\x80" + bytes(99), ("192.0.2.7", 5000, 0, 0), True),  # IPv6 sockets tell four parts
        (bytes(BINDING_REQUEST), ("192.0.2.8", 5000), True),  # STUN proves itself
        (b"\x00\x01" + bytes(17), ("192.0.2.7", 5000), False),  # only looks like STUN
        (STUN_WITH_A_SHORT_ATTRIBUTE, ("192.0.2.7", 5000), False),
        (b"", ("192.0.2.7", 5000), False),
        (b"\x80" + bytes(MAX_DATAGRAM_BYTES - 1), ("192.0.2.7", 5000), True),
        (b"\x80" + bytes(MAX_DATAGRAM_BYTES), ("192.0.2.7", 5000), False),
        (b"\x00\x01" + bytes(MAX_DATAGRAM_BYTES), ("192.0.2.7", 5000), False),
    ],
)
def test_which_datagrams_pass(data: bytes, addr: tuple[object, ...], acceptable: bool) -> None:
    known = SimpleNamespace(_network_host="192.0.2.7", port=5000)
    connection = cast(Connection, SimpleNamespace(_remote_candidates=[known]))
    assert is_acceptable(connection, data, addr) is acceptable


def test_the_filter_is_installed_once() -> None:
    install_datagram_filter()
    installed = ice.StunProtocol.datagram_received
    install_datagram_filter()
    assert ice.StunProtocol.datagram_received is installed


def test_loopback_is_offered_once_and_only_for_ipv4() -> None:
    install_loopback_candidates()
    install_loopback_candidates()
    assert ice.get_host_addresses(use_ipv4=True, use_ipv6=True).count("127.0.0.1") == 1
    assert "127.0.0.1" not in ice.get_host_addresses(use_ipv4=False, use_ipv6=True)


async def test_the_datagram_method_has_the_signature_that_is_wrapped() -> None:
    connection = Connection(ice_controlling=False)
    protocol = ice.StunProtocol(connection)
    assert protocol.receiver is connection
    await connection.close()
    assert not asyncio.iscoroutinefunction(ice.StunProtocol.datagram_received)


@pytest.mark.parametrize("decoder", [Vp8Decoder, H264Decoder])
def test_an_empty_frame_stops_a_decoder_for_good(decoder: type[Vp8Decoder | H264Decoder]) -> None:
    """FFmpeg takes it for the end of the video. Nothing tells the connection: so video stopped while `connected`."""
    stopped = decoder()
    stopped.decode(JitterFrame(b"", 0))
    for number in range(3):
        with pytest.raises(av.error.EOFError):
            stopped.decode(JitterFrame(_keyframe(decoder), number))
    assert decoder().decode(JitterFrame(_keyframe(decoder), 0))


def _keyframe(decoder: type[Vp8Decoder | H264Decoder]) -> bytes:
    encoder = Vp8Encoder() if decoder is Vp8Decoder else H264Encoder()
    picture = VideoFrame.from_ndarray(np.full((96, 64), 128, np.uint8), format="yuv420p")
    picture.pts, picture.time_base = 0, Fraction(1, 90_000)
    payloads, _ = encoder.encode(picture, force_keyframe=True)
    return b"".join(
        (VpxPayloadDescriptor if decoder is Vp8Decoder else H264PayloadDescriptor).parse(payload)[1]
        for payload in payloads
    )


def test_a_jump_of_the_sequence_number_shuts_out_what_the_sender_sends_next() -> None:
    """The other reason: SRTP's index (RFC 3711 section 3.3.1) follows a packet far ahead, the numbers behind it are
    refused as replayed. Who writes junk between an aiortc sender's own packets ends that sender's task by it."""
    policy = pylibsrtp.Policy(key=bytes(30), ssrc_type=pylibsrtp.Policy.SSRC_ANY_OUTBOUND)
    policy.allow_repeat_tx, policy.window_size = True, 1024
    sending = pylibsrtp.Session(policy)
    for sequence_number in (1000, 1000 + 30_000):
        sending.protect(RtpPacket(96, 0, sequence_number, ssrc=7, payload=bytes(20)).serialize())
    with pytest.raises(pylibsrtp.Error, match="index too old"):
        sending.protect(RtpPacket(96, 0, 1001, ssrc=7, payload=bytes(20)).serialize())
