"""What aiortc needs before it may take RTCP from a peer that is hostile, all of it behind the decryption.

aiortc drops a packet that it finds malformed, but only where it noticed. What it trips over instead (a bandwidth
estimate of a wrong length) ends its receive loop, and with it every stream of the connection: one packet that an SFU
passes on would shut the guard's eyes to a whole room. A report that it cannot write ends its RTCP task, and `close()`
then waits for ever. RTP never gets that far: it is `media_path`'s.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

import pylibsrtp
from aiortc import RTCDtlsTransport, RTCRtpReceiver
from aiortc.rtp import AnyRtcpPacket, RtcpRrPacket

_LOG = logging.getLogger(__name__)
_MAX_UINT32 = 0xFFFF_FFFF
HANDLE_RTCP_DATA = "_handle_rtcp_data"
# Errors that aiortc itself handles where it calls the handler.
_HANDLED = (pylibsrtp.Error, ConnectionError)


def contain_packet_errors(transport: RTCDtlsTransport) -> None:
    """Let a report on which `transport` trips cost nothing but this report. Call once per transport."""
    setattr(transport, HANDLE_RTCP_DATA, _contained(getattr(transport, HANDLE_RTCP_DATA)))


def _contained(stock: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    is_known = False

    async def contained(data: bytes, *arguments: Any, **keywords: Any) -> None:
        nonlocal is_known
        try:
            await stock(data, *arguments, **keywords)
        except _HANDLED:
            raise
        # aiortc's parsers have no error of their own: they raise whatever the bytes make them trip over.
        except Exception as error:  # noqa: BLE001
            if not is_known:
                _LOG.warning("a peer sends packets that cannot be read (%s); they are dropped", type(error).__name__)
            is_known = True

    return contained


def bound_reports(receiver: RTCRtpReceiver) -> None:
    """Hold the figures of a receiver's reports within their fields (RFC 3550 section 6.4.1).

    A peer whose time stamps jump back and forth brings the jitter that aiortc counts beyond 32 bits.
    """
    stock = receiver._send_rtcp

    async def bounded(packet: AnyRtcpPacket) -> None:
        if isinstance(packet, RtcpRrPacket):
            for report in packet.reports:
                report.jitter = min(report.jitter, _MAX_UINT32)
        await stock(packet)

    receiver._send_rtcp = bounded  # type: ignore[method-assign]
