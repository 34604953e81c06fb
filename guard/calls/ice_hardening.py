"""What aioice needs before it may face a network: a datagram filter, and loopback addresses on request.

aioice hands every datagram that is not STUN to DTLS without asking where it came from. An empty one, or one above
the SRTP buffer of 1500 bytes, then ends the connection: anybody who finds the port could cut a participant off.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from aioice import ice, stun

# pylibsrtp raises ValueError on more.
MAX_DATAGRAM_BYTES = 1500
LOOPBACK_ADDRESS = "127.0.0.1"
_STUN_FIRST_BYTES = range(4)
_MEDIA_FIRST_BYTES = range(128, 192)
_MARK = "_guard_hardened"
_TAKE_MEDIA = "_guard_take_media"
SOCKET = "_sock"
_MOST_AT_ONCE = 32
"""Datagrams that one socket may have read before the others get their turn."""


def install_datagram_filter() -> None:
    """Make every ICE socket of this process drop what cannot belong to its connection. Idempotent."""
    stock = ice.StunProtocol.datagram_received
    if hasattr(stock, _MARK):
        return

    def passed(self: ice.StunProtocol, data: bytes | str, addr: tuple[Any, ...]) -> bool:
        """Hand a datagram on; True where it was media that `divert_media` has asked for."""
        if not isinstance(data, bytes) or not is_acceptable(self.receiver, data, addr):
            return False
        if data[0] in _MEDIA_FIRST_BYTES:
            take: Callable[[bytes], bool] | None = getattr(self.receiver, _TAKE_MEDIA, None)
            if take is not None and take(data):
                return True
        stock(self, data, addr)
        return False

    def filtered(self: ice.StunProtocol, data: bytes | str, addr: tuple[Any, ...]) -> None:
        if not passed(self, data, addr):
            return
        sock: socket.socket | None = getattr(self.transport, SOCKET, None)
        if sock is None:  # a relayed one
            return
        # A frame's packets come together, and asyncio would look at all sockets again for each of them.
        with suppress(OSError):  # nothing more for now, or trouble that asyncio will meet as well
            for _ in range(_MOST_AT_ONCE):
                passed(self, *sock.recvfrom(MAX_DATAGRAM_BYTES + 1))

    setattr(filtered, _MARK, True)
    ice.StunProtocol.datagram_received = filtered  # type: ignore[method-assign]


def divert_media(connection: ice.Connection, take: Callable[[bytes], bool]) -> None:
    """Give datagrams of the peer that look like SRTP or SRTCP to `take`; where it returns False they go on as ever.

    Needs the datagram filter.
    """
    setattr(connection, _TAKE_MEDIA, take)


def is_acceptable(connection: ice.Connection, data: bytes, addr: tuple[Any, ...]) -> bool:
    """Whether a datagram has a possible length and is STUN or comes from a known candidate of the peer.

    STUN carries its own message integrity; a new address becomes a candidate through it (RFC 8445 section 7.3.1.3).
    """
    if not 0 < len(data) <= MAX_DATAGRAM_BYTES:
        return False
    if data[0] in _STUN_FIRST_BYTES:
        return _is_stun(data)
    host, port = addr[0], addr[1]
    for candidate in connection._remote_candidates:
        if candidate.port == port and candidate._network_host == host:
            return True
    return False


def _is_stun(data: bytes) -> bool:
    """aioice passes what only looks like STUN on to DTLS, where it piles up until the handshake begins."""
    try:
        stun.parse_message(data)
    # An attribute of a wrong length trips the parser; asyncio would log a traceback for each such datagram.
    except Exception:  # noqa: BLE001
        return False
    return True


def install_loopback_candidates() -> None:
    """Make every ICE agent of this process offer 127.0.0.1 too, which aioice leaves out. Idempotent."""
    stock = ice.get_host_addresses
    if hasattr(stock, _MARK):
        return

    def with_loopback(use_ipv4: bool, use_ipv6: bool) -> list[str]:
        addresses = stock(use_ipv4, use_ipv6)
        return [LOOPBACK_ADDRESS, *addresses] if use_ipv4 else addresses

    setattr(with_loopback, _MARK, True)
    ice.get_host_addresses = with_loopback
