"""The way of RTP packets from the socket to the receivers' taps: in one call, in the moment in which they arrive.

aiortc passes every datagram through a queue to a task, through five coroutines and as many objects. This is the same
in a straight line: SRTP, header, routing, tap. Everything else (DTLS, RTCP, and all of it before the keys are there)
is left to aiortc.
"""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from typing import Any

import pylibsrtp
from aiortc import RTCDtlsTransport
from aiortc.rtp import is_rtcp

from guard.calls.ice_hardening import divert_media
from guard.calls.receiver_tap import JITTER_BUFFER, ReceiverTap
from guard.calls.rtp_packet import read_rtp

_LOG = logging.getLogger(__name__)
HANDLE_RTP_DATA = "_handle_rtp_data"
EXTENSION_IDS = "_HeaderExtensionsMap__ids"


class MediaPath:
    """Takes the RTP packets of one transport; those of receivers without a `ReceiverTap` are dropped.

    A packet that cannot be read costs nothing but this packet. Everything runs on the event loop.
    """

    def __init__(self, transport: RTCDtlsTransport) -> None:
        self._transport = transport
        self._router = transport._rtp_router
        self._extension_ids: Any = getattr(transport._rtp_header_extensions_map, EXTENSION_IDS)
        self._has_failed = False
        divert_media(transport.transport._connection, self.take)
        # What came before the keys were there waits in aiortc's queue.
        setattr(transport, HANDLE_RTP_DATA, self._take_late)

    def take(self, data: bytes) -> bool:
        """Take a datagram of the kind of SRTP from the peer's address; False where it is aiortc's to handle."""
        session = self._transport._rx_srtp
        if session is None or is_rtcp(data):
            return False
        with suppress(pylibsrtp.Error):
            self._handle_safely(session.unprotect(data))
        return True

    async def _take_late(self, data: bytes, arrival_time_ms: int) -> None:  # noqa: ARG002 - aiortc's signature
        self._handle_safely(data)

    def _handle_safely(self, data: bytes) -> None:
        try:
            self.handle(data)
        # Whatever a peer's bytes make a parser trip over.
        except Exception as error:  # noqa: BLE001
            if not self._has_failed:
                _LOG.warning("a peer sends packets that cannot be read (%s); they are dropped", type(error).__name__)
            self._has_failed = True

    def handle(self, data: bytes) -> None:
        """Route a decrypted packet. Raises ValueError where it is none."""
        packet = read_rtp(data, self._extension_ids.abs_send_time)
        # Reads the two numbers that this packet has, too.
        receiver = self._router.route_rtp(packet)  # type: ignore[arg-type]
        tap = getattr(receiver, JITTER_BUFFER, None)
        if isinstance(tap, ReceiverTap):
            tap.take(packet, time.monotonic())
