"""A visit with a thread of its own: seats, ends and readers that hang."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Generator
from threading import Event

import pytest

from guard.calls import reading_visit
from guard.calls.reading_visit import Read, ReadingVisit
from guard.calls.seats import Seats
from guard.calls.source import ReceivedFrame
from guard.config import CallsConfig
from guard.errors import JoinError
from tests.guard.conftest import gray_frame
from tests.whip_endpoint import Recorder, until


def visit(read: Read, listener: Recorder | Seats, close_seconds: float = 5.0) -> ReadingVisit:
    return ReadingVisit(read, "standup", "ann", CallsConfig(close_seconds=close_seconds), listener)


def frame(number: int) -> ReceivedFrame:
    return gray_frame(100, number / 30, time.monotonic())


def three(_stop: Event) -> Generator[ReceivedFrame, None, str]:
    for number in range(3):
        yield frame(number)
    return "that was all"


async def test_frames_are_handed_over_and_the_seat_is_given_back() -> None:
    recorder, joined = Recorder(), []
    why = await visit(three, recorder).run(lambda: joined.append(True))
    assert (why, joined) == ("that was all", [True])
    assert [taken.pts_seconds for taken in recorder.take("ann")] == [0, 1 / 30, 2 / 30]
    assert (recorder.of("ann"), recorder.reasons) == (["joined", "left"], ["that was all"])


async def test_a_queue_that_is_emptied_at_once_is_still_the_same_seat() -> None:
    recorder, taken = Recorder(), []

    def emptied(stop: Event) -> Generator[ReceivedFrame, None, str]:
        for next_frame in three(stop):
            taken.extend(recorder.take("ann") if recorder.queues else [])
            yield next_frame
        return "that was all"

    await visit(emptied, recorder).run(lambda: None)
    assert len(taken) == 2
    assert recorder.of("ann") == ["joined", "left"]


async def test_a_reader_that_cannot_open_takes_no_seat() -> None:
    def refused(_stop: Event) -> Generator[ReceivedFrame, None, str]:
        raise JoinError("no such camera", retryable=False)
        yield frame(0)

    recorder = Recorder()
    with pytest.raises(JoinError, match="no such camera") as error:
        await visit(refused, recorder).run(lambda: None)
    assert not error.value.retryable
    assert recorder.events == []


async def test_an_error_of_its_own_comes_out_and_gives_the_seat_back() -> None:
    def broken(_stop: Event) -> Generator[ReceivedFrame, None, str]:
        yield frame(0)
        raise ZeroDivisionError

    recorder = Recorder()
    with pytest.raises(ZeroDivisionError):
        await visit(broken, recorder).run(lambda: None)
    assert recorder.of("ann") == ["joined", "left"]


async def test_a_taken_seat_is_a_reason_to_try_again() -> None:
    recorder = Recorder()
    seats = Seats(recorder, 8)
    seats.participant_joined("standup", "ann")
    with pytest.raises(JoinError, match="somebody else is ann") as error:
        await visit(three, seats).run(lambda: None)
    assert error.value.retryable
    assert recorder.of("ann") == ["joined"]


async def test_leaving_stops_the_reader() -> None:
    stopped = Event()

    def endless(stop: Event) -> Generator[ReceivedFrame, None, str]:
        number = 0
        try:
            while not stop.wait(0.001):
                yield frame(number)
                number += 1
            return "stopped"
        finally:
            stopped.set()

    recorder = Recorder()
    staying = visit(endless, recorder)
    run = asyncio.create_task(staying.run(lambda: None))
    await until(lambda: staying.frames > 3)
    assert [track.participant for track in staying.tracks] == ["ann"]
    run.cancel()
    await asyncio.wait({run})
    assert stopped.is_set()
    assert recorder.of("ann") == ["joined", "left"]
    assert staying.tracks == ()


async def test_a_reader_that_hangs_is_left_behind_in_bounded_time(caplog: pytest.LogCaptureFixture) -> None:
    release = Event()

    def hangs(_stop: Event) -> Generator[ReceivedFrame, None, str]:
        yield frame(0)
        release.wait()
        yield frame(1)
        return "late"

    recorder = Recorder()
    staying = visit(hangs, recorder, close_seconds=0.05)
    run = asyncio.create_task(staying.run(lambda: None))
    await until(lambda: staying.frames == 1)
    run.cancel()
    await asyncio.wait({run})
    assert recorder.of("ann") == ["joined", "left"]
    assert staying.is_reading
    assert "left behind" in caplog.text
    release.set()
    await until(lambda: not staying.is_reading)


async def test_a_connection_without_video_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading_visit, "SILENT_SECONDS", 0.05)

    def silent(stop: Event) -> Generator[ReceivedFrame, None, str]:
        stop.wait()
        yield frame(0)
        return "never"

    assert "no video" in await visit(silent, Recorder()).run(lambda: None)
