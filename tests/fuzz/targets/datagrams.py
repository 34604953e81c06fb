"""Decrypted RTP through our parser, RTCP through aiortc's and our containment, STUN through our filter and aioice's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from types import SimpleNamespace
from typing import Any, cast

from aioice import ice
from aiortc import RTCDtlsTransport
from aiortc.codecs import depayload
from aiortc.rtcdtlstransport import RtpRouter
from aiortc.rtcrtpparameters import (
    RTCRtpCodecParameters,
    RTCRtpHeaderExtensionParameters,
    RTCRtpReceiveParameters,
)
from aiortc.rtp import HeaderExtensionsMap, RtcpPacket

from guard.calls.ice_hardening import install_datagram_filter
from guard.calls.media_path import MediaPath
from guard.calls.rtp_hardening import contain_packet_errors
from guard.calls.rtp_packet import read_rtp, unwrap_retransmission, vp8_data

_LOOP = asyncio.new_event_loop()
_CODECS = tuple(RTCRtpCodecParameters(f"video/{name}", 90_000, payloadType=96) for name in ("VP8", "H264"))
_EXTENSIONS = (
    "urn:ietf:params:rtp-hdrext:sdes:mid",
    "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
    "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
    "urn:ietf:params:rtp-hdrext:toffset",
    "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
    "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
)


def _extensions_map() -> HeaderExtensionsMap:
    wanted = [RTCRtpHeaderExtensionParameters(id=number, uri=uri) for number, uri in enumerate(_EXTENSIONS, 1)]
    extensions = HeaderExtensionsMap()
    extensions.configure(RTCRtpReceiveParameters(headerExtensions=wanted))
    return extensions


_MAP = _extensions_map()


class _Transport:
    """As much of a transport as the handlers need; its packets come decrypted."""

    def __init__(self) -> None:
        self._rtp_router = RtpRouter()
        self._rtp_header_extensions_map = _MAP
        self._rx_srtp = SimpleNamespace(unprotect=bytes)
        self.transport = SimpleNamespace(_connection=SimpleNamespace())
        contain_packet_errors(cast("RTCDtlsTransport", self))
        self.media = MediaPath(cast("RTCDtlsTransport", self))

    async def _handle_rtcp_data(self, data: bytes) -> None:
        for packet in RtcpPacket.parse(data):
            self._rtp_router.route_rtcp(packet)


_TRANSPORT: Any = _Transport()


def rtp_packet(data: bytes) -> None:
    """Nothing that a packet holds comes out as an error, but as ValueError from those that read it."""
    _TRANSPORT.media.take(data)
    with suppress(ValueError):
        _TRANSPORT.media.handle(data)
    with suppress(ValueError):
        packet = read_rtp(data, 3)
        readers: tuple[Callable[[], object], ...] = (
            partial(vp8_data, packet.payload),
            partial(unwrap_retransmission, packet, 96, 1),
            *(partial(depayload, codec, packet.payload) for codec in _CODECS),
        )
        for read in readers:
            with suppress(ValueError):
                read()


def rtcp_packet(data: bytes) -> None:
    """Nothing that a report holds comes out as an error."""
    _LOOP.run_until_complete(_TRANSPORT._handle_rtcp_data(data))


class _Receiver:
    """As much of an ICE connection as a socket's protocol needs."""

    _remote_candidates: tuple[object, ...] = ()

    def data_received(self, data: bytes, component: int) -> None:
        raise AssertionError("passed on to DTLS, though nobody is known")

    def request_received(self, message: object, addr: object, protocol: object) -> None:
        """The message was read."""


def stun_message(data: bytes) -> None:
    """Nothing that anybody sends to the media port comes out as an error."""
    _PROTOCOL.datagram_received(data, ("192.0.2.1", 5000))


def _protocol() -> ice.StunProtocol:
    install_datagram_filter()
    return ice.StunProtocol(cast("ice.Connection", _Receiver()))


_PROTOCOL = _protocol()
