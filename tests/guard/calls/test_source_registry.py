"""Which address means which kind of call, and what of it may be shown."""

from __future__ import annotations

from importlib import import_module

import pytest
from pydantic import SecretStr

from guard.calls.call_source import SourceState
from guard.calls.source_registry import SOURCE_KINDS, make_source, safe_url
from guard.config import CallsConfig, SourceConfig
from guard.errors import ConfigError
from tests.whip_endpoint import Recorder


@pytest.mark.parametrize("entry", SOURCE_KINDS.values())
def test_every_entry_names_a_function(entry: str) -> None:
    module, _, function = entry.partition(":")
    assert callable(getattr(import_module(module), function))


@pytest.mark.parametrize("url", ["carrier-pigeon://h/x", "h/x", "", "https://h/x"])
def test_another_scheme_is_refused_with_the_known_ones(url: str) -> None:
    with pytest.raises(ConfigError, match="whep://"):
        make_source(SourceConfig(url=url, name="ann"), CallsConfig(), Recorder(), lambda _stats: None)


def test_a_whep_source_needs_to_know_who_is_seen() -> None:
    with pytest.raises(ConfigError, match="--name"):
        make_source(SourceConfig(url="whep://h/x"), CallsConfig(), Recorder(), lambda _stats: None)


def test_a_source_does_nothing_before_it_connects() -> None:
    source = make_source(
        SourceConfig(url="whep://h/x", name="ann", token=SecretStr("t")), CallsConfig(), Recorder(), lambda _stats: None
    )
    assert source.stats().state is SourceState.CLOSED
    assert source.tracks == ()


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("whep://me:secret@h:8443/room/1?token=secret#secret", "whep://h:8443/room/1"),
        ("whep+http://[::1]:80/x", "whep+http://[::1]:80/x"),
        ("whep://h:secret/x", "the address"),
    ],
)
def test_secrets_of_an_address_are_not_shown(url: str, shown: str) -> None:
    assert safe_url(url) == shown
