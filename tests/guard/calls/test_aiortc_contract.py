"""The private parts of aiortc and aioice that guard/calls builds on, as they are in the pinned version."""

from __future__ import annotations

import asyncio
import inspect
from importlib.metadata import version
from queue import Queue
from types import SimpleNamespace
from typing import cast

import pytest
from aioice import Candidate, Connection, ice
from aiortc import RTCConfiguration, RTCPeerConnection
from aiortc.codecs.h264 import H264Encoder
from aiortc.codecs.vpx import Vp8Encoder
from aiortc.jitterbuffer import JitterBuffer

from guard.calls.ice_hardening import (
    MAX_DATAGRAM_BYTES,
    install_datagram_filter,
    install_loopback_candidates,
    is_acceptable,
)
from guard.calls.publisher import ENCODER
from guard.calls.receiver_tap import CODECS, DECODER_QUEUE, HANDLE_RTCP, JITTER_BUFFER, TIMESTAMP_MAPPER


def test_the_pinned_version_is_installed() -> None:
    assert version("aiortc").startswith("1.16.")


async def test_the_receiver_has_the_parts_that_are_tapped() -> None:
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    transceiver = connection.addTransceiver("video", direction="recvonly")
    receiver = transceiver.receiver
    assert isinstance(getattr(receiver, JITTER_BUFFER), JitterBuffer)
    assert isinstance(getattr(receiver, DECODER_QUEUE), Queue)
    assert isinstance(getattr(receiver, CODECS), dict)
    assert getattr(receiver, TIMESTAMP_MAPPER)._origin is None
    assert inspect.iscoroutinefunction(getattr(receiver, HANDLE_RTCP))
    assert isinstance(receiver.transport._rtp_router.ssrc_table, dict)
    assert getattr(transceiver.sender, ENCODER) is None
    await connection.close()


def test_the_encoders_take_their_rate_from_the_property_that_is_overridden() -> None:
    for encoder in (Vp8Encoder, H264Encoder):
        assert "self.target_bitrate" in inspect.getsource(encoder)


def test_the_jitter_buffer_has_the_members_that_are_replaced() -> None:
    public = {name for name in vars(JitterBuffer) if not name.startswith("_")}
    # `remove` and `smart_remove` are called by the buffer itself only.
    assert public == {"add", "capacity", "remove", "smart_remove"}


async def test_a_remote_candidate_has_the_address_that_is_compared() -> None:
    connection = Connection(ice_controlling=False)
    await connection.add_remote_candidate(Candidate.from_sdp("1 1 udp 2130706431 192.0.2.7 5000 typ host"))
    [candidate] = connection._remote_candidates
    assert (candidate._network_host, candidate.port) == ("192.0.2.7", 5000)
    await connection.close()


@pytest.mark.parametrize(
    ("data", "addr", "acceptable"),
    [
        (b"\x80" + bytes(99), ("192.0.2.7", 5000), True),  # media of the peer
        (b"\x80" + bytes(99), ("192.0.2.7", 5001), False),  # another port of its machine
        (b"\x80" + bytes(99), ("192.0.2.8", 5000), False),  # a stranger
        (b"\x80" + bytes(99), ("192.0.2.7", 5000, 0, 0), True),  # IPv6 sockets tell four parts
        (b"\x00\x01" + bytes(18), ("192.0.2.8", 5000), True),  # STUN proves itself
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
