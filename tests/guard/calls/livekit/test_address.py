"""Addresses and tokens of LiveKit rooms."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest

from guard.calls.livekit.access_token import ApiKey, watching_token
from guard.calls.livekit.sdk import InstalledSdk
from guard.calls.livekit.source import DISPLAY, admission
from guard.errors import ConfigError

JWT = "e30.e30.c2ln"


def claims(token: str) -> dict[str, Any]:
    payload = token.split(".")[1]
    value: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return value


def test_the_token_is_signed_and_lets_its_holder_watch_only() -> None:
    token = watching_token(ApiKey("key", "secret"), "r1", "guard-1", None, 1000.0)
    signed, _, signature = token.rpartition(".")
    expected = hmac.digest(b"secret", signed.encode(), hashlib.sha256)
    assert base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4)) == expected
    assert json.loads(base64.urlsafe_b64decode(signed.split(".")[0] + "==")) == {"alg": "HS256", "typ": "JWT"}
    found = claims(token)
    assert (found["iss"], found["sub"], found["nbf"], found["exp"]) == ("key", "guard-1", 940, 1600)
    assert found["video"] == {
        "room": "r1",
        "roomJoin": True,
        "canSubscribe": True,
        "canPublish": False,
        "canPublishData": False,
        "canUpdateOwnMetadata": False,
        "hidden": True,
    }


def test_a_given_access_token_is_passed_on() -> None:
    entry = admission("livekit://h:7880/", JWT)
    assert (entry.url, entry.token()) == ("wss://h:7880", JWT)
    assert JWT not in repr(entry)


def test_an_api_key_makes_a_new_visible_identity_for_every_visit() -> None:
    entry = admission("livekit+ws://h/my%20room", "key:secret")
    first, second = claims(entry.token()), claims(entry.token())
    assert entry.url == "ws://h"
    assert (first["video"]["room"], first["name"], first["video"]["hidden"]) == ("my room", DISPLAY, False)
    assert first["sub"] != second["sub"]


def test_a_name_of_ones_own_or_none() -> None:
    assert claims(admission("livekit://h/r?display=Ops", "key:secret").token())["name"] == "Ops"
    hidden = claims(admission("livekit://h/r?hidden=1", "key:secret").token())
    assert (hidden["video"]["hidden"], hidden["name"]) == (True, "")


@pytest.mark.parametrize(
    ("url", "token"),
    [
        ("livekit:///r", "key:secret"),
        ("livekit://h:0/r", "key:secret"),
        ("livekit://me:secret@h/r", "key:secret"),
        ("livekit://h/r", None),
        ("livekit://h/r", JWT),
        ("livekit://h/?hidden=1", JWT),
        ("livekit://h/", "key:secret"),
        ("livekit://h/r", "secret"),
        ("livekit://h/r?hidden=2", "key:secret"),
        ("livekit://h/r?pin=secret", "key:secret"),
    ],
)
def test_what_cannot_be_right_is_refused_without_repeating_secrets(url: str, token: str | None) -> None:
    with pytest.raises(ConfigError) as error:
        admission(url, token)
    assert "secret" not in str(error.value).replace("APIKEY:SECRET", "")


def test_a_missing_sdk_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "livekit.rtc", None)
    with pytest.raises(ConfigError, match=r"whodrives\[livekit\]"):
        InstalledSdk()
