"""The queue is bounded, fair, and keeps what is newest."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from guard.expressions.waiting_frames import PER_SEAT, WaitingFrame, WaitingFrames

PIXELS = np.zeros((128, 128), np.uint8)


def frame(track: int, seconds: float) -> WaitingFrame:
    return WaitingFrame(track, seconds, PIXELS)


def test_the_oldest_goes() -> None:
    waiting = WaitingFrames()
    for number in range(10):
        waiting.put(frame(1, number))
    taken = [waiting.next() for _ in range(PER_SEAT)]
    assert [each.seconds for each in taken if each is not None] == [7, 8, 9]
    assert waiting.next() is None
    assert waiting.dropped == 7


def test_a_seat_that_sends_much_does_not_hold_others_up() -> None:
    waiting = WaitingFrames()
    for number in range(50):
        waiting.put(frame(1, number))
    waiting.put(frame(2, 0))
    tracks = [each.track for each in iter(waiting.next, None) if each is not None]
    assert tracks == [1, 2, 1, 1]


def test_who_has_left_is_forgotten() -> None:
    waiting = WaitingFrames()
    waiting.put(frame(1, 0))
    waiting.put(frame(2, 0))
    waiting.forget(1)
    waiting.forget(3)
    taken = waiting.next()
    assert taken is not None
    assert taken.track == 2
    assert not waiting


@given(st.lists(st.one_of(st.integers(0, 4), st.none()), max_size=200))
def test_frames_come_in_order_and_none_twice(steps: list[int | None]) -> None:
    """A number puts a frame of that seat, None takes one."""
    waiting = WaitingFrames()
    put: dict[int, list[float]] = {}
    taken: dict[int, list[float]] = {}
    for number, step in enumerate(steps):
        if step is not None:
            waiting.put(frame(step, number))
            put.setdefault(step, []).append(number)
        elif (got := waiting.next()) is not None:
            taken.setdefault(got.track, []).append(got.seconds)
        assert len(waiting) <= 5 * PER_SEAT
    rest = list(iter(waiting.next, None))
    for got in rest:
        assert got is not None
        taken.setdefault(got.track, []).append(got.seconds)
    assert sum(map(len, taken.values())) + waiting.dropped == sum(map(len, put.values()))
    for track, seconds in taken.items():
        assert seconds == sorted(set(seconds))
        assert seconds[-1] == put[track][-1], "the newest is never dropped"
