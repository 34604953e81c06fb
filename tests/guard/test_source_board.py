"""What viewers and programs are told of the calls that the guard joins by itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pydantic import SecretStr

from guard.calls.call_source import SourceState, SourceStats
from guard.config import SourceConfig
from guard.serve.events import SourceEvent
from guard.serve.feed import Feed
from guard.serve.hub import EventHub
from guard.source_board import SourceBoard

NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)
SOURCES = (
    SourceConfig(url="whep://me:hidden@h:8443/room?token=hidden", name="ann", token=SecretStr("hidden")),
    SourceConfig(url="janus://h/1234?pin=hidden", call="retro"),
)


def test_every_source_is_there_before_it_does_anything() -> None:
    board = SourceBoard(SOURCES, EventHub(10, 10))
    assert [(shown.number, shown.url, shown.call, shown.state) for shown in board.snapshots()] == [
        (0, "whep://h:8443/room", "main", SourceState.CLOSED),
        (1, "janus://h/1234", "retro", SourceState.CLOSED),
    ]


def test_a_change_is_kept_and_told_in_its_own_call_without_secrets() -> None:
    hub = EventHub(10, 10)
    board = SourceBoard(SOURCES, hub, lambda: NOW)
    waiting = SourceStats(SourceState.WAITING, attempts=2, joins=1, why="the server is gone", retry_seconds=1.5)
    with Feed(hub, "retro", None) as retro, Feed(hub, "main", None) as main:
        board.note(1, waiting)
        told = retro.subscription.take()
        assert told is not None
        assert main.subscription.take() is None
    assert isinstance(told.event, SourceEvent)
    assert told.event.source == board.snapshots()[1]
    assert told.event.source.next_attempt == NOW + timedelta(seconds=1.5)
    assert (told.event.source.state, told.event.source.why) == (SourceState.WAITING, "the server is gone")
    assert not told.ephemeral
    assert "hidden" not in told.text
    board.note(1, SourceStats(SourceState.JOINED, attempts=3, joins=2))
    assert (board.snapshots()[1].state, board.snapshots()[1].next_attempt) == (SourceState.JOINED, None)
