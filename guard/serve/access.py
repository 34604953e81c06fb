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
    """The same settings, with a fresh random token where one is not set."""
    unset = [name for name in ("token", "join_token") if getattr(config, name) is None]
    return config.model_copy(update={name: SecretStr(secrets.token_urlsafe(24)) for name in unset})


class BearerToken:
    """The token that every request must carry. Raises ConfigError where the settings hold none."""

    def __init__(self, config: ServerConfig) -> None:
        self._expected = _secret("server.token", config.token)

    def accepts(self, token: str) -> bool:
        """True for the right token; takes the same time however much of it is right."""
        return hmac.compare_digest(token.encode(), self._expected)

    def in_header(self, authorization: str | None) -> bool:
        """True where this Authorization header is `Bearer` and the right token."""
        scheme, _, token = (authorization or "").partition(" ")
        return scheme.lower() == "bearer" and self.accepts(token.strip())


class PublishToken:
    """What a publisher must show: the join token, or the token that allows everything.

    Whoever is sent a link to join can then neither watch the others' scores nor enrol or forget anybody.
    """

    def __init__(self, config: ServerConfig) -> None:
        self._all = BearerToken(config)
        self._expected = _secret("server.join_token", config.join_token)

    def accepts(self, token: str) -> bool:
        """True for either token."""
        joins = hmac.compare_digest(token.encode(), self._expected)
        return self._all.accepts(token) or joins


def _secret(name: str, token: SecretStr | None) -> bytes:
    if token is None or not token.get_secret_value():
        raise ConfigError(f"setting {name}: no token is set; set one or start through 'guard serve'")
    return token.get_secret_value().encode()


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
