"""The private parts of aiortc and aioice that guard/calls builds on, as they are in the pinned version."""

from __future__ import annotations

import asyncio
import inspect
import re
import struct
from fractions import Fraction
from importlib.metadata import version
from queue import Queue
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
from aiortc.rate import RemoteBitrateEstimator
from aiortc.rtcdtlstransport import RTCDtlsTransport, RtpRouter
from aiortc.rtcrtpreceiver import NackGenerator, RTCRtpReceiver, StreamStatistics, decoder_worker
from aiortc.rtp import RTCP_RTPFB_NACK, RtcpPacket, RtcpRtpfbPacket, RtpPacket
from av import VideoFrame

from guard.calls.ice_hardening import (
    MAX_DATAGRAM_BYTES,
    SOCKET,
    install_datagram_filter,
    install_loopback_candidates,
    is_acceptable,
)
from guard.calls.jitter_buffer import MAX_NACK_NUMBERS
from guard.calls.media_path import EXTENSION_IDS, HANDLE_RTP_DATA
from guard.calls.publisher import ENCODER
from guard.calls.receiver_tap import (
    BITRATE_ESTIMATOR,
    CODECS,
    DECODER_QUEUE,
    HANDLE_RTCP,
    JITTER_BUFFER,
    NACK_GENERATOR,
    RETRANSMISSION_SSRCS,
    RTCP_SSRC,
    STATISTICS,
)
from guard.calls.rtp_hardening import HANDLE_RTCP_DATA


def test_the_pinned_version_is_installed() -> None:
    assert version("aiortc").startswith("1.16.")


async def test_the_receiver_has_the_parts_that_are_tapped() -> None:
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    transceiver = connection.addTransceiver("video", direction="recvonly")
    receiver = transceiver.receiver
    assert isinstance(getattr(receiver, JITTER_BUFFER), JitterBuffer)
    assert isinstance(getattr(receiver, DECODER_QUEUE), Queue)
    assert getattr(receiver, STATISTICS) == {}
    assert getattr(receiver, RETRANSMISSION_SSRCS) == {}
    assert isinstance(getattr(receiver, BITRATE_ESTIMATOR), RemoteBitrateEstimator)
    assert isinstance(getattr(receiver, RTCP_SSRC), int | None)
    assert isinstance(getattr(receiver, NACK_GENERATOR), NackGenerator)
    assert isinstance(getattr(receiver, CODECS), dict)
    assert inspect.iscoroutinefunction(getattr(receiver, HANDLE_RTCP))
    assert list(inspect.signature(receiver._send_rtcp_nack).parameters) == ["media_ssrc", "lost"]
    assert list(inspect.signature(receiver._send_rtcp_pli).parameters) == ["media_ssrc"]
    assert isinstance(receiver.transport._rtp_router.ssrc_table, dict)
    assert inspect.iscoroutinefunction(getattr(receiver.transport, HANDLE_RTCP_DATA))
    assert list(inspect.signature(getattr(receiver.transport, HANDLE_RTP_DATA)).parameters) == [
        "data",
        "arrival_time_ms",
    ]
    assert getattr(receiver.transport._rtp_header_extensions_map, EXTENSION_IDS).abs_send_time is None
    assert isinstance(receiver.transport.transport._connection, Connection)
    assert getattr(transceiver.sender, ENCODER) is None
    await connection.close()


def test_the_encoders_take_their_rate_from_the_property_that_is_overridden() -> None:
    for encoder in (Vp8Encoder, H264Encoder):
        assert "self.target_bitrate" in inspect.getsource(encoder)


def test_what_reads_packets_in_place_of_aiortc_sees_what_those_read_that_are_kept() -> None:
    """The router, the statistics and the bitrate estimator get our packets and figures."""
    assert set(re.findall(r"packet\.(\w+)", inspect.getsource(RtpRouter.route_rtp))) == {"ssrc", "payload_type"}
    read = set(re.findall(r"packet\.(\w+)", inspect.getsource(StreamStatistics.add)))
    assert read == {"sequence_number", "timestamp"}
    parameters = list(inspect.signature(RemoteBitrateEstimator.add).parameters)
    assert parameters == ["self", "arrival_time_ms", "abs_send_time", "payload_size", "ssrc"]


async def test_there_are_no_keys_before_the_peer_is_known_to_be_the_announced_one() -> None:
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    transport = connection.addTransceiver("video", direction="recvonly").receiver.transport
    assert transport._rx_srtp is None
    start = inspect.getsource(RTCDtlsTransport.start)
    assert start.index("_validate_peer_identity(") < start.index("_setup_srtp()")
    assert "pylibsrtp.Error" in inspect.getsource(RTCDtlsTransport._recv_next)
    await connection.close()


async def test_a_socket_can_be_read_past_asyncio() -> None:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0))
    assert callable(getattr(transport, SOCKET).recvfrom)
    assert hasattr(transport, "max_size")
    transport.close()


def test_the_decoder_thread_does_nothing_but_ask_its_queue_until_there_is_none() -> None:
    """So that all decoding happens in `PictureDecoder.get`; then it tells the track that there is no more."""
    source = inspect.getsource(decoder_worker)
    loop = source.index("while True:")
    assert source.index("task = input_q.get()") > loop
    assert source.index("if task is None:") < source.index("output_q.put(None)") < source.index("break")
    assert re.findall(r"__decoder_queue\.(\w+\(\w*)", inspect.getsource(RTCRtpReceiver)) == ["put(", "put(None"]


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
