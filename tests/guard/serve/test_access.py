"""Token, tickets, origins and host names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from guard.config import ServerConfig
from guard.errors import ConfigError
from guard.serve.access import (
    TICKET_SECONDS,
    BearerToken,
    PublishToken,
    Tickets,
    allowed_hosts,
    origin_allowed,
    with_token,
)


@pytest.mark.parametrize(
    ("header", "right"),
    [
        ("Bearer secret", True),
        ("bearer secret", True),  # the scheme's case does not matter (RFC 9110)
        ("Bearer  secret ", True),  # surrounding blanks are not part of it
        ("Bearer Secret", False),  # the token's case does
        ("Bearer secretx", False),
        ("Bearer secre", False),
        ("Bearer ", False),
        ("Basic secret", False),
        ("secret", False),
        ("Bearer sécret", False),  # not ASCII, must not raise
        ("", False),
        (None, False),
    ],
)
def test_bearer_header(header: str | None, right: bool) -> None:
    assert BearerToken(ServerConfig(token=SecretStr("secret"))).in_header(header) is right


@pytest.mark.parametrize("token", [None, SecretStr("")])
def test_a_server_without_token_is_refused(token: SecretStr | None) -> None:
    with pytest.raises(ConfigError, match=r"server\.token"):
        BearerToken(ServerConfig(token=token))


def test_a_missing_token_is_made_and_a_given_one_kept() -> None:
    first, second = with_token(ServerConfig()), with_token(ServerConfig())
    assert first.token is not None
    assert len(first.token.get_secret_value()) >= 24
    assert first.token != second.token
    assert first.join_token is not None
    assert first.join_token != first.token
    assert with_token(first) == first


def test_the_join_token_publishes_and_nothing_else() -> None:
    config = ServerConfig(token=SecretStr("all"), join_token=SecretStr("join"))
    publish = PublishToken(config)
    assert [publish.accepts(token) for token in ("join", "all", "", "jo\u00efn")] == [True, True, False, False]
    assert not BearerToken(config).accepts("join")
    with pytest.raises(ConfigError, match=r"server\.join_token"):
        PublishToken(ServerConfig(token=SecretStr("all")))


def test_a_ticket_passes_once() -> None:
    tickets = Tickets(clock=lambda: 0.0)
    ticket = tickets.issue()
    assert [tickets.redeem(ticket), tickets.redeem(ticket), tickets.redeem("another")] == [True, False, False]


@given(st.floats(0, 100))
def test_a_ticket_expires(waited: float) -> None:
    now = 0.0
    tickets = Tickets(clock=lambda: now)
    ticket = tickets.issue()
    now = waited
    assert tickets.redeem(ticket) is (waited < TICKET_SECONDS)


def test_unused_tickets_are_bounded() -> None:
    tickets = Tickets(clock=lambda: 0.0)
    issued = [tickets.issue() for _ in range(1000)]
    assert sum(tickets.redeem(ticket) for ticket in issued) == 256
    assert not tickets.redeem(issued[0])


@pytest.mark.parametrize(
    ("origin", "host", "allowed"),
    [
        ("http://127.0.0.1:8734", "127.0.0.1:8734", True),
        ("https://guard.example.org", "guard.example.org", True),  # behind a proxy that ends TLS
        ("http://127.0.0.1:9999", "127.0.0.1:8734", False),  # another port is another origin
        ("https://calls.example.org", "127.0.0.1:8734", True),  # named in the settings
        ("https://calls.example.org.evil.org", "127.0.0.1:8734", False),
        ("http://calls.example.org", "127.0.0.1:8734", False),  # another scheme is another origin
        ("null", "127.0.0.1:8734", False),  # sandboxed frame, local file
        ("", "", False),
        ("http://[", "127.0.0.1:8734", False),  # no URL at all
        ("http://127.0.0.1:8734", None, False),
        ("chrome-extension://abc", "abc", False),
    ],
)
def test_origins(origin: str, host: str | None, allowed: bool) -> None:
    assert origin_allowed(origin, host, ("https://calls.example.org",)) is allowed


def test_host_names_of_a_loopback_server_are_known() -> None:
    hosts = allowed_hosts(ServerConfig(origins=("https://guard.example.org:8443",)))
    assert {"localhost", "127.0.0.1", "[::1]", "guard.example.org"} <= set(hosts)
    assert "*" not in hosts
    assert allowed_hosts(ServerConfig(host="192.0.2.1")) == ["*"]
