"""`rtsp://HOST[:PORT]/PATH` as a call source: one participant's video from a camera or a media server.

`rtsps://` is RTSP over TLS with a checked certificate. User and password stand in the address or, better, in the token
as `USER:PASSWORD`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from random import Random
from urllib.parse import quote, urlsplit

from guard.calls.backoff import Backoff, BackoffPolicy
from guard.calls.call_source import CallSource, RejoiningSource, SourceStats
from guard.calls.reading_visit import ReadingVisit
from guard.calls.rtsp_stream import RtspAddress, can_verify_tls, rtsp_frames
from guard.calls.source import CallListener
from guard.calls.source_registry import safe_url
from guard.config import CallsConfig, SourceConfig
from guard.errors import ConfigError, JoinError


def rtsp_address(url: str, credentials: str | None) -> RtspAddress:
    """Read an address; `credentials` are USER:PASSWORD. Raises ConfigError, which repeats neither."""
    shown = safe_url(url)
    try:
        parts = urlsplit(url)
        usable = bool(parts.hostname) and parts.port != 0 and not parts.fragment
    except ValueError:
        usable = False
    # A control character could end the request line and begin another.
    if not usable or not url.isascii() or not url.isprintable() or " " in url:
        raise ConfigError("an RTSP address is rtsp://HOST[:PORT]/PATH, its path percent-encoded")
    if credentials is None:
        return RtspAddress(url, shown)
    user, colon, password = credentials.partition(":")
    if not colon or parts.username is not None:
        raise ConfigError(f"{shown}: give user and password once, as the token USER:PASSWORD or in the address")
    netloc = f"{quote(user, safe='')}:{quote(password, safe='')}@{parts.netloc}"
    return RtspAddress(parts._replace(netloc=netloc).geturl(), shown)


def rtsp_source(
    source: SourceConfig, config: CallsConfig, listener: CallListener, on_change: Callable[[SourceStats], None]
) -> CallSource:
    """The source for an rtsp:// or rtsps:// address. Raises ConfigError where it cannot be right."""
    if source.name is None:
        raise ConfigError("RTSP does not tell who is seen: give the participant's name (--name, calls.sources.name)")
    name = source.name
    address = rtsp_address(source.url, source.token.get_secret_value() if source.token is not None else None)
    if address.is_secure and not can_verify_tls():
        raise ConfigError("this PyAV cannot check a server's certificate over rtsps://; install av 16 or newer")
    last: ReadingVisit | None = None

    def visit() -> ReadingVisit:
        nonlocal last
        # A reader that hangs must not be joined by another with every attempt.
        if last is not None and last.is_reading:
            raise JoinError("the reader of the last visit has not ended yet")
        last = ReadingVisit(partial(rtsp_frames, address, config), source.call, name, config, listener)
        return last

    return RejoiningSource(visit, Backoff(BackoffPolicy(), Random()), on_change)
