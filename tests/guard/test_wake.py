"""Who wakes the pipeline's thread, and how seldom: in virtual time, and once with a thread."""

from __future__ import annotations

import math
from threading import Event, Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.calls.source import LatestFrames
from guard.wake import Pause, Wake, WakeRule
from tests.bench.wake_ups import FPS, STEP_SECONDS, simulate
from tests.guard.conftest import ALICE, gray_frame

IDLE = Pause(0.1, hold_seconds=0.003, frames=128)


def test_the_first_frame_of_many_is_held_for_the_others() -> None:
    rule = WakeRule()
    rule.begin(IDLE, 10.0)
    assert rule.due_seconds == pytest.approx(10.1)
    assert rule.frame(10.05)
    assert rule.due_seconds == pytest.approx(10.053)
    told = [rule.frame(10.05 + n / 1e5) for n in range(127)]
    assert told == [False] * 126 + [True]
    assert rule.due_seconds == -math.inf
    assert not rule.frame(10.06)
    assert not rule.ring()


def test_where_a_batch_is_due_before_that_a_frame_changes_nothing() -> None:
    rule = WakeRule()
    rule.begin(Pause(0.002, hold_seconds=0.003, frames=2), 0.0)
    assert not rule.frame(0.0)
    assert rule.due_seconds == 0.002
    assert rule.frame(0.001)


def test_where_frames_are_not_held_back_each_is_worth_getting_up_for() -> None:
    rule = WakeRule()
    rule.begin(Pause(0.1, hold_seconds=0.0, frames=8), 0.0)
    assert rule.frame(0.02)
    assert rule.due_seconds <= 0.02


def test_nobody_is_told_while_the_thread_is_up_and_what_came_then_counts() -> None:
    rule = WakeRule()
    assert not rule.frame(0.0)
    assert not rule.ring()
    rule.begin(IDLE, 1.0)
    assert rule.due_seconds == -math.inf
    rule.end()
    assert not rule.frame(2.0)
    rule.begin(IDLE, 3.0)
    assert rule.due_seconds == pytest.approx(2.003)


@given(st.lists(st.one_of(st.sampled_from(["frame", "ring"]), st.floats(0, 0.01))), st.integers(1, 6))
def test_a_sleeping_thread_is_told_twice_at_most(events: list[str | float], frames: int) -> None:
    """And whenever it has to get up earlier than it meant to."""
    rule, now, told = WakeRule(), 0.0, 0
    rule.begin(Pause(0.1, 0.003, frames), now)
    planned = rule.due_seconds
    for event in events:
        if isinstance(event, float):
            now += event
        elif rule.frame(now) if event == "frame" else rule.ring():
            told += 1
            assert rule.due_seconds < planned
            planned = rule.due_seconds
        assert rule.due_seconds == planned
    assert told <= 2


def test_a_thread_gets_up_when_a_batch_is_complete_and_for_an_order() -> None:
    wake, up = Wake(), Event()

    def sleeper() -> None:
        for _ in range(2):
            wake.sleep(Pause(60.0, hold_seconds=60.0, frames=2))
            up.set()

    thread = Thread(target=sleeper)
    thread.start()
    wake.frame()
    assert not up.wait(0.05)
    wake.frame()
    assert up.wait(30)
    wake.ring()
    thread.join(30)
    assert not thread.is_alive()


def test_a_queue_tells_of_its_first_frame_only() -> None:
    told: list[int] = []
    frames = LatestFrames(2, on_ready=lambda: told.append(len(frames)))
    for n in range(3):
        frames.push(gray_frame(ALICE, n / 30, 0.0))
    assert told == [1]
    frames.pop()
    frames.push(gray_frame(ALICE, 1.0, 0.0))
    assert told == [1]
    while frames.pop() is not None:
        pass
    frames.push(gray_frame(ALICE, 2.0, 0.0))
    assert told == [1, 1]


@pytest.mark.parametrize("faces", [True, False])
def test_wake_ups_of_128_seats_are_those_of_their_batches(faces: bool) -> None:
    """In virtual time. What a sender shows must not bring back a wake-up for every frame."""
    seats, seconds = 128, 1.0
    found = simulate("batches", seats, seconds, faces=faces)
    wait_seconds = 0.003
    assert found.wakes <= 2 / wait_seconds
    assert found.wakes < seats * FPS / 5
    if faces:
        assert found.frames > 0.98 * seats * FPS
        assert found.wait_p99_ms <= 1000 * (wait_seconds + 2 * STEP_SECONDS) + 0.01
