"""`janus://HOST[:PORT]/[PATH/]ROOM` as a call source; `janus+ws://` where the server has no TLS."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from random import SystemRandom
from urllib.parse import parse_qsl, unquote, urlsplit

from guard.calls.backoff import Backoff, BackoffPolicy
from guard.calls.call_source import CallSource, RejoiningSource, SourceStats
from guard.calls.janus.requests import Admission, RoomId
from guard.calls.janus.session import JanusSession
from guard.calls.janus.visit import RoomVisit
from guard.calls.peer import MakePeer, peers_here
from guard.calls.source import CallListener
from guard.calls.source_registry import safe_url
from guard.config import CallsConfig, SourceConfig
from guard.errors import ConfigError

# The others in the room should know who is watching, and why.
DISPLAY = "Guard (verifies who drives each face)"
_SCHEMES = {"janus": "wss", "janus+ws": "ws"}
_OPTIONS = ("pin", "display", "hidden")
_MAX_DISPLAY_CHARACTERS = 64
_TRANSACTION_BYTES = 12


@dataclass(frozen=True, slots=True)
class RoomAddress:
    """What an address says."""

    websocket_url: str
    room: RoomId
    pin: str | None
    display: str | None
    """None stays out of the sight of the others."""


def parse_address(url: str) -> RoomAddress:
    """Read an address; `?pin=...` for a room that wants one, `?display=...` for another name, or `?hidden=1`.

    A room of digits only is meant as a number. Raises ConfigError, which does not repeat the pin.
    """
    try:
        parts = urlsplit(url)
        options = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
        path, _, room = parts.path.rpartition("/")
        has_host = bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise ConfigError(f"{safe_url(url)} is malformed; give janus://HOST:PORT/ROOM") from None
    if parts.scheme not in _SCHEMES or not has_host or not room or parts.username is not None:
        raise ConfigError(f"{safe_url(url)} names no host or no room; give janus://HOST:PORT/ROOM")
    if unknown := set(options) - set(_OPTIONS):
        raise ConfigError(f"{safe_url(url)} has {len(unknown)} unknown options; there are {', '.join(_OPTIONS)}")
    if options.get("hidden", "0") not in ("0", "1") or len(options.get("display", "")) > _MAX_DISPLAY_CHARACTERS:
        raise ConfigError(
            f"in {safe_url(url)}, hidden is 0 or 1 and display has at most {_MAX_DISPLAY_CHARACTERS} letters"
        )
    return RoomAddress(
        websocket_url=f"{_SCHEMES[parts.scheme]}://{parts.netloc}{path or '/'}",
        room=_room_id(unquote(room)),
        pin=options.get("pin"),
        display=None if options.get("hidden") == "1" else options.get("display") or DISPLAY,
    )


def janus_source(
    source: SourceConfig,
    config: CallsConfig,
    listener: CallListener,
    on_change: Callable[[SourceStats], None],
    make_peer: MakePeer | None = None,
) -> CallSource:
    """A source that stays in the room. Raises ConfigError for an address or options that cannot be right."""
    address = parse_address(source.url)
    if source.name is not None:
        raise ConfigError(f"{safe_url(source.url)}: the room tells its participants' names; leave the name out")
    token = source.token.get_secret_value() if source.token is not None else None
    admission = Admission(address.room, address.pin, token)

    make = make_peer or peers_here(config, listener)

    def visit() -> RoomVisit:
        session = JanusSession(admission, address.display, config.max_participants, _new_transaction)
        return RoomVisit(address.websocket_url, session, source.call, config.max_offer_bytes, make)

    return RejoiningSource(visit, Backoff(BackoffPolicy(), SystemRandom()), on_change)


def _room_id(text: str) -> RoomId:
    return int(text) if text.isascii() and text.isdigit() else text


def _new_transaction() -> str:
    return secrets.token_urlsafe(_TRANSACTION_BYTES)
