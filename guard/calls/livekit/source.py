"""`livekit://HOST[:PORT]/[ROOM]` as a call source; `livekit+ws://` where the server has no TLS.

The token is either an access token, which names the room, or `APIKEY:SECRET` for the room of the address.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from random import SystemRandom
from urllib.parse import parse_qsl, unquote, urlsplit

from guard.calls.backoff import Backoff, BackoffPolicy
from guard.calls.call_source import CallSource, RejoiningSource, SourceStats
from guard.calls.livekit.access_token import ApiKey, watching_token
from guard.calls.livekit.sdk import InstalledSdk, Sdk
from guard.calls.livekit.visit import Admission, RoomVisit
from guard.calls.source import CallListener
from guard.calls.source_registry import safe_url
from guard.config import CallsConfig, SourceConfig
from guard.errors import ConfigError

# The others in the room should know who is watching, and why.
DISPLAY = "Guard (verifies who drives each face)"
_SCHEMES = {"livekit": "wss", "livekit+ws": "ws"}
_OPTIONS = ("display", "hidden")
_MAX_DISPLAY_CHARACTERS = 64
_IDENTITY_BYTES = 9
_JWT_DOTS = 2


def admission(url: str, token: str | None) -> Admission:
    """Read address and token. Raises ConfigError, which repeats no secret."""
    shown = safe_url(url)
    try:
        parts = urlsplit(url)
        options = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
        has_host = bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise ConfigError(f"{shown} is malformed; give livekit://HOST[:PORT]/[ROOM]") from None
    if not has_host or parts.username is not None:
        raise ConfigError(f"{shown} names no host; give livekit://HOST[:PORT]/[ROOM]")
    if unknown := set(options) - set(_OPTIONS):
        raise ConfigError(f"{shown} has {len(unknown)} unknown options; there are {', '.join(_OPTIONS)}")
    if options.get("hidden", "0") not in ("0", "1") or len(options.get("display", "")) > _MAX_DISPLAY_CHARACTERS:
        raise ConfigError(f"in {shown}, hidden is 0 or 1 and display has at most {_MAX_DISPLAY_CHARACTERS} letters")
    server = f"{_SCHEMES[parts.scheme]}://{parts.netloc}"
    room = unquote(parts.path.strip("/"))
    if token is None:
        raise ConfigError(f"{shown} needs a token (--token, GUARD_JOIN_TOKEN): an access token, or APIKEY:SECRET")
    if token.count(".") == _JWT_DOTS and ":" not in token:
        if room or options:
            raise ConfigError(f"{shown}: an access token says which room and under which name; leave both out")
        return Admission(server, lambda: token)
    key, _, secret = token.partition(":")
    if not (key and secret and room):
        raise ConfigError(f"{shown} needs a room and APIKEY:SECRET as its token, or an access token alone")
    display = None if options.get("hidden") == "1" else options.get("display") or DISPLAY
    return Admission(server, _token_maker(ApiKey(key, secret), room, display))


def livekit_source(
    source: SourceConfig, config: CallsConfig, listener: CallListener, on_change: Callable[[SourceStats], None]
) -> CallSource:
    """A source that stays in the room. Raises ConfigError for what cannot be right, and where there is no SDK."""
    if source.name is not None:
        raise ConfigError(f"{safe_url(source.url)}: the room tells its participants' names; leave the name out")
    entry = admission(source.url, source.token.get_secret_value() if source.token is not None else None)
    return room_source(InstalledSdk(), entry, source.call, config, listener, on_change)


def room_source(
    sdk: Sdk,
    entry: Admission,
    call: str,
    config: CallsConfig,
    listener: CallListener,
    on_change: Callable[[SourceStats], None],
) -> CallSource:
    """A source on this SDK."""
    return RejoiningSource(
        lambda: RoomVisit(sdk, entry, call, config, listener), Backoff(BackoffPolicy(), SystemRandom()), on_change
    )


def _token_maker(api_key: ApiKey, room: str, display: str | None) -> Callable[[], str]:
    # Two guards of one identity would put each other out of the room.
    return lambda: watching_token(api_key, room, f"guard-{secrets.token_hex(_IDENTITY_BYTES)}", display, time.time())
