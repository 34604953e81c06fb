"""One participant to a seat, whichever source they come from."""

from __future__ import annotations

import asyncio

import pytest

from guard.calls.seats import Seats
from guard.calls.whip_sink import WhipSink
from guard.config import CallsConfig
from guard.errors import SeatError
from tests.whep_server import AiortcSender
from tests.whip_endpoint import Recorder, until


def test_a_seat_is_taken_once_until_it_is_left() -> None:
    listener = Recorder()
    seats = Seats(listener, max_participants=2)
    seats.participant_joined("standup", "ann")
    with pytest.raises(SeatError, match="already"):
        seats.participant_joined("standup", "ann")
    seats.participant_joined("retro", "ann")
    with pytest.raises(SeatError, match="max_participants"):
        seats.participant_joined("standup", "ben")
    seats.participant_left("standup", "ann", "over")
    seats.participant_joined("standup", "ben")
    assert listener.events == [
        ("joined", "standup", "ann"),
        ("joined", "retro", "ann"),
        ("left", "standup", "ann"),
        ("joined", "standup", "ben"),
    ]


def test_a_listener_that_fails_keeps_no_seat(monkeypatch: pytest.MonkeyPatch) -> None:
    listener = Recorder()
    seats = Seats(listener, max_participants=1)
    with monkeypatch.context() as patch, pytest.raises(RuntimeError):
        patch.setattr(listener, "participant_joined", lambda *_: (_ for _ in ()).throw(RuntimeError("no slot")))
        seats.participant_joined("standup", "ann")
    seats.participant_joined("standup", "ann")


async def test_a_publisher_cannot_take_the_seat_of_a_source() -> None:
    listener = Recorder()
    seats = Seats(listener, max_participants=8)
    seats.participant_joined("standup", "ann")
    sink, eve = WhipSink(CallsConfig(loopback=True), seats), AiortcSender()
    connection = await eve.offering()
    _, answer = await sink.accept("standup", "ann", connection.localDescription.sdp)
    await eve.connect(connection, answer)
    await until(lambda: len(sink) == 0)
    assert listener.events == [("joined", "standup", "ann")]
    await asyncio.gather(sink.close(), eve.vanish())
