"""Who may talk to the server: bearer token, WebSocket tickets, origins and host names."""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from pydantic import SecretStr

from guard.config import ServerConfig
from guard.errors import ConfigError

TICKET_SECONDS = 30.0
_TICKETS_KEPT = 256
_LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "::1", "[::1]")


def with_token(config: ServerConfig) -> ServerConfig:
    """The same settings, with a fresh random token where none is set."""
    if config.token is not None:
        return config
    return config.model_copy(update={"token": SecretStr(secrets.token_urlsafe(24))})


class BearerToken:
    """The token that every request must carry. Raises ConfigError where the settings hold none."""

    def __init__(self, config: ServerConfig) -> None:
        if config.token is None or not config.token.get_secret_value():
            raise ConfigError("setting server.token: no token is set; set one or start through 'guard serve'")
        self._expected = config.token.get_secret_value().encode()

    def accepts(self, token: str) -> bool:
        """True for the right token; takes the same time however much of it is right."""
        return hmac.compare_digest(token.encode(), self._expected)

    def in_header(self, authorization: str | None) -> bool:
        """True where this Authorization header is `Bearer` and the right token."""
        scheme, _, token = (authorization or "").partition(" ")
        return scheme.lower() == "bearer" and self.accepts(token.strip())


class Tickets:
    """Single-use passes for a WebSocket: browsers cannot send a header there, and a token must not be in a URL."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._expiry: dict[str, float] = {}

    def issue(self) -> str:
        """A new ticket; the oldest unused one is void where too many wait."""
        now = self._clock()
        self._expiry = {ticket: expiry for ticket, expiry in self._expiry.items() if expiry > now}
        while len(self._expiry) >= _TICKETS_KEPT:
            del self._expiry[next(iter(self._expiry))]
        ticket = secrets.token_urlsafe(24)
        self._expiry[ticket] = now + TICKET_SECONDS
        return ticket

    def redeem(self, ticket: str) -> bool:
        """True once for a ticket that was issued in the last `TICKET_SECONDS`."""
        return self._expiry.pop(ticket, 0.0) > self._clock()


def origin_allowed(origin: str, host: str | None, further: Sequence[str]) -> bool:
    """True where a page of `origin` may open a WebSocket: served by this very `host`, or named in `further`."""
    if origin in further:
        return True
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return host is not None and parts.scheme in {"http", "https"} and parts.netloc.lower() == host.lower()


def allowed_hosts(config: ServerConfig) -> list[str]:
    """Host names that requests may be addressed to, against DNS rebinding.

    A server on loopback knows its names. One that was bound to another address can be called anything, so that only the
    token protects it.
    """
    if config.host not in _LOOPBACK_HOSTS:
        return ["*"]
    named = [host for origin in config.origins if (host := urlsplit(origin).hostname)]
    return [*_LOOPBACK_HOSTS, *named]
