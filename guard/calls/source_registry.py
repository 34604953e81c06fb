"""Which kind of call an address means. A new kind is one entry here and one module with one function."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import urlsplit

from guard.calls.call_source import CallSource, SourceStats
from guard.calls.source import CallListener
from guard.config import CallsConfig, SourceConfig
from guard.errors import ConfigError

if TYPE_CHECKING:
    from guard.calls.peer import MakePeer

MakeSource: TypeAlias = Callable[
    [SourceConfig, CallsConfig, CallListener, Callable[[SourceStats], None]],
    CallSource,
]
"""Makes a source that is not connected yet; raises ConfigError for an address or options that cannot be right."""

# Imported when such an address is met: not every guard has every kind's packages.
SOURCE_KINDS = {
    "whep": "guard.calls.whep.source:whep_source",
    "whep+http": "guard.calls.whep.source:whep_source",
    "janus": "guard.calls.janus.source:janus_source",
    "janus+ws": "guard.calls.janus.source:janus_source",
    "livekit": "guard.calls.livekit.source:livekit_source",
    "livekit+ws": "guard.calls.livekit.source:livekit_source",
    "rtsp": "guard.calls.rtsp:rtsp_source",
    "rtsps": "guard.calls.rtsp:rtsp_source",
    "file": "guard.calls.played_file:file_source",
}
PEER_KINDS = frozenset({"whep", "whep+http", "janus", "janus+ws"})
"""Those that receive through peer connections of ours, which may be made elsewhere."""


def make_source(
    source: SourceConfig,
    config: CallsConfig,
    listener: CallListener,
    on_change: Callable[[SourceStats], None],
    make_peer: MakePeer | None = None,
) -> CallSource:
    """The source for this address; `make_peer`: peers elsewhere, in place of this process's own.

    Raises ConfigError where there is none.
    """
    scheme = urlsplit(source.url).scheme
    if scheme not in SOURCE_KINDS:
        known = ", ".join(f"{kind}://" for kind in SOURCE_KINDS)
        raise ConfigError(f"{safe_url(source.url)} names no kind of call that this guard can join ({known})")
    module, _, function = SOURCE_KINDS[scheme].partition(":")
    make = getattr(import_module(module), function)
    here: MakeSource = partial(make, make_peer=make_peer) if scheme in PEER_KINDS else make
    return here(source, config, listener, on_change)


def safe_url(url: str) -> str:
    """`url` as it may be shown and logged: without user, password and query, which often hold secrets."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = f":{parts.port}" if parts.port is not None else ""
    except ValueError:
        return "the address"
    host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{host}{port}{parts.path}"
