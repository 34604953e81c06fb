"""ICE candidates in SDP (RFC 8839 section 5.1), rewritten so that media has no way around a relay."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import AddressValueError, IPv4Address

from guard.errors import SignallingError

Address = tuple[str, int]
"""IPv4 address and UDP port."""

_CANDIDATE = "a=candidate:"
_END = "a=end-of-candidates"
_TRANSPORT, _ADDRESS, _PORT = 2, 4, 5
_FIELDS = 8
_BAD_GATEWAY = 502


def without_candidates(sdp: str) -> str:
    """The same description without any candidate: the other side has nobody to send checks to on its own."""
    return _join(line for line in sdp.splitlines() if not line.startswith((_CANDIDATE, _END)))


def redirect_candidates(sdp: str, relay: Address) -> tuple[str, Address]:
    """The description with `relay` for its only candidate, and the loopback address that stood in its place.

    Raises SignallingError where no UDP candidate on this machine is in it: traffic stays on loopback.
    """
    lines: list[str] = []
    target: Address | None = None
    for line in sdp.splitlines():
        if not line.startswith(_CANDIDATE):
            lines.append(line)
        elif target is None and (target := _loopback_address(line)) is not None:
            fields = line.split()
            fields[_ADDRESS], fields[_PORT] = relay[0], str(relay[1])
            lines.append(" ".join(fields))
    if target is None:
        raise SignallingError("the answer has no UDP candidate on 127.0.0.1; set calls.loopback there", _BAD_GATEWAY)
    return _join(lines), target


def _loopback_address(line: str) -> Address | None:
    fields = line.split()
    if len(fields) < _FIELDS or fields[_TRANSPORT].lower() != "udp":
        return None
    try:
        address, port = IPv4Address(fields[_ADDRESS]), int(fields[_PORT])
    except (AddressValueError, ValueError):
        return None
    return (str(address), port) if address.is_loopback and 0 < port < 1 << 16 else None


def _join(lines: Iterable[str]) -> str:
    return "".join(f"{line}\r\n" for line in lines)
