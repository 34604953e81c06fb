"""What guard and worker say to each other, and what a guard refuses to hear."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from guard.config import CallsConfig, IceServerConfig, SourceConfig
from guard.isolation.messages import (
    MAX_REPORT_BYTES,
    Beat,
    Measure,
    PeerEnded,
    Ready,
    Reply,
    Report,
    Start,
    StreamEnded,
    TakeOffer,
    WorkerSettings,
    read_order,
    read_report,
    short,
    to_line,
)

SDP = "v=0\r\n" + "a=x\r\n" * 10


@pytest.mark.parametrize(
    "report",
    [
        Beat(),
        Ready(measures=(Measure(name="no core dumps", holds=True, detail="0 bytes"),)),
        Reply(request=3, sdp=SDP),
        Reply(request=4, error="no", status=406),
        StreamEnded(peer=1, stream=2, why=short("über\n\x1b[31m")),
        PeerEnded(peer=1, why=""),
    ],
)
def test_reports_come_through_on_one_line(report: Report) -> None:
    line = to_line(report)
    assert line.count(b"\n") == 1
    assert len(line) < MAX_REPORT_BYTES
    assert read_report(line) == report


def test_a_worker_gets_the_settings_with_ice_passwords_and_without_other_secrets() -> None:
    turn = IceServerConfig(url="turn:t.example.org", username="u", credential=SecretStr("s3cret"))
    source = SourceConfig(url="whep://h/x?pin=p1n", name="ann", token=SecretStr("t0ken"))
    calls = CallsConfig(ice_servers=(turn,), sources=(source,))
    line = to_line(Start(settings=WorkerSettings(calls=calls, min_fps=12, parent=7, memory_bytes=1 << 30)))
    assert b"t0ken" not in line
    assert b"p1n" not in line
    order = read_order(line)
    assert isinstance(order, Start)
    assert order.settings.calls.ice_servers == (turn,)
    assert order.settings.calls.sources == ()


def test_the_largest_offer_fits_in_an_order() -> None:
    order = TakeOffer(request=1, peer=2, sdp="\x01" * 1_048_576, streams={"0": 3}, multistream=False)
    assert read_order(to_line(order)) == order


HOSTILE: list[object] = [
    {"type": "beat", "more": 1},
    {"type": "start"},
    {"type": "reply", "request": -1},
    {"type": "reply", "request": 1.5},
    {"type": "reply", "request": 1, "sdp": "<html>"},
    {"type": "reply", "request": 1, "sdp": "v=0" + "x" * 300_000},
    {"type": "reply", "request": 1, "error": "no", "status": 200},
    {"type": "stream_ended", "peer": 1, "stream": 10**30, "why": ""},
    {"type": "stream_ended", "peer": 1, "stream": 1, "why": "\x1b]0;owned\x07"},
    {"type": "peer_ended", "peer": 1, "why": "x" * 301},
    {"type": "ready", "measures": [{"name": "x", "holds": True, "detail": ""}] * 21},
    [],
    None,
]


@pytest.mark.parametrize("report", HOSTILE)
def test_what_is_no_report_is_refused(report: object) -> None:
    with pytest.raises(ValueError, match="no valid report"):
        read_report(json.dumps(report).encode())


@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_whatever_a_worker_sends_is_a_report_or_refused(line: bytes) -> None:
    with pytest.raises(ValueError, match="no valid report"):
        read_report(line)
