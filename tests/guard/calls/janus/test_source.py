"""Addresses of rooms: what they mean, and one clear error for those that mean nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from guard.calls.janus.source import DISPLAY, RoomAddress, parse_address
from guard.calls.source_registry import make_source
from guard.config import CallsConfig, SourceConfig
from guard.errors import ConfigError
from tests.whip_endpoint import Recorder


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("janus://host:8989/1234", RoomAddress("wss://host:8989/", 1234, None, DISPLAY)),
        ("janus+ws://[::1]:8188/1234", RoomAddress("ws://[::1]:8188/", 1234, None, DISPLAY)),
        ("janus://host/janus/stand%20up?pin=a%26b", RoomAddress("wss://host/janus", "stand up", "a&b", DISPLAY)),
        ("janus://host/1?display=Guard%20of%20Ann", RoomAddress("wss://host/", 1, None, "Guard of Ann")),
        ("janus://host/1?hidden=1", RoomAddress("wss://host/", 1, None, None)),
        ("janus://host/1?hidden=0", RoomAddress("wss://host/", 1, None, DISPLAY)),
    ],
)
def test_what_an_address_says(url: str, address: RoomAddress) -> None:
    assert parse_address(url) == address


@pytest.mark.parametrize(
    "url",
    [
        "janus://host",
        "janus://host/",
        "janus:///1234",
        "janus://host:99999/1234",
        "janus://user:secret-pin@host/1234",
        "janus://host/1234?pin=secret-pin&unknown=1",
        "janus://host/1234?secret-pin",
        "janus://host/1234?hidden=secret-pin",
        "janus://host/1234?display=" + "x" * 65,
        "janus://[::1/1234?pin=secret-pin",
    ],
)
def test_an_address_that_says_nothing_is_an_error_without_secrets(url: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse_address(url)
    assert "secret-pin" not in str(refused.value)


@given(st.text(max_size=40))
def test_any_text_is_an_address_or_an_error(text: str) -> None:
    try:
        address = parse_address(f"janus://{text}")
    except ConfigError as error:
        assert "janus" in str(error)
    else:
        assert address.websocket_url.startswith("wss://")
        assert address.room != ""


def test_the_registry_knows_rooms_but_no_name_for_their_participants() -> None:
    room = SourceConfig(url="janus://host/1234", token=SecretStr("a-ticket"))
    assert make_source(room, CallsConfig(), Recorder(), lambda _stats: None).tracks == ()
    with pytest.raises(ConfigError, match="leave the name out"):
        make_source(room.model_copy(update={"name": "alice"}), CallsConfig(), Recorder(), lambda _stats: None)
