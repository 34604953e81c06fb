"""The batch scheduler in virtual time: nothing is lost silently and nobody is kept waiting."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.batching import BatchScheduler, Scheduled
from engines.errors import EngineInputError
from engines.protocol import Batching

STREAMS = 6
BATCHING = Batching(max_frames=4, wait_seconds=0.004)


@dataclass
class Course:
    """A scheduler that is given numbered frames and asked for batches; `now` never runs back."""

    batching: Batching
    scheduler: BatchScheduler[int] = field(default_factory=BatchScheduler)
    now: float = 0.0
    offered: dict[int, list[int]] = field(default_factory=dict)
    taken: dict[int, list[Scheduled[int]]] = field(default_factory=dict)
    batches: list[list[Scheduled[int]]] = field(default_factory=list)

    def offer(self, stream: int, *, continues: bool = True) -> None:
        frames = self.offered.setdefault(stream, [])
        frames.append(len(frames))
        self.scheduler.offer(stream, frames[-1], continues, self.now)

    def take(self) -> list[Scheduled[int]]:
        batch = self.scheduler.take(self.now, self.batching)
        if batch:
            self.batches.append(batch)
        for scheduled in batch:
            self.taken.setdefault(scheduled.stream, []).append(scheduled)
        return batch

    @property
    def waiting(self) -> list[int]:
        return [stream for stream in range(STREAMS) if self.scheduler.waits(stream)]


def joined(batching: Batching = BATCHING, streams: int = STREAMS) -> Course:
    course = Course(batching)
    for stream in range(streams):
        course.scheduler.join(stream)
    return course


limits = st.builds(Batching, max_frames=st.integers(1, 8), wait_seconds=st.sampled_from([0.0, 0.002, 0.005]))
# Steps of time, offers of a stream's next frame (and whether it continues), and orders to take.
step = st.one_of(
    st.sampled_from([0.0005, 0.001, 0.003, 0.02]),
    st.tuples(st.integers(0, STREAMS - 1), st.booleans()),
    st.none(),
)
courses = st.tuples(limits, st.lists(step, max_size=120))


def played(batching: Batching, steps: list[float | tuple[int, bool] | None]) -> Course:
    course = joined(batching)
    for act in steps:
        match act:
            case None:
                course.take()
            case (stream, continues):
                course.offer(stream, continues=continues)
            case float():
                course.now += act
    return course


@given(courses)
def test_no_frame_is_given_twice_and_a_streams_frames_keep_their_order(
    drawn: tuple[Batching, list[float | tuple[int, bool] | None]],
) -> None:
    course = played(*drawn)
    for scheduled in course.taken.values():
        frames = [item.frame for item in scheduled]
        assert frames == sorted(set(frames))
    for batch in course.batches:
        assert len(batch) <= course.batching.max_frames
        assert len({item.stream for item in batch}) == len(batch)


@given(courses)
def test_after_a_dropped_frame_comes_a_break_and_nowhere_else(
    drawn: tuple[Batching, list[float | tuple[int, bool] | None]],
) -> None:
    """Every frame claims to continue here, so a break in what comes out is the scheduler's."""
    batching, steps = drawn
    course = played(batching, [(act[0], True) if isinstance(act, tuple) else act for act in steps])
    for scheduled in course.taken.values():
        before = -1
        for item in scheduled:
            assert item.continues == (item.frame == before + 1)
            before = item.frame


@given(courses)
def test_a_break_stays_one(drawn: tuple[Batching, list[float | tuple[int, bool] | None]]) -> None:
    batching, steps = drawn
    course = played(batching, [(act[0], False) if isinstance(act, tuple) else act for act in steps])
    assert not any(item.continues for batch in course.batches for item in batch)


@given(courses)
def test_the_counters_add_up(drawn: tuple[Batching, list[float | tuple[int, bool] | None]]) -> None:
    course = played(*drawn)
    counters = course.scheduler.counters
    assert counters.batches == len(course.batches)
    assert counters.offered == sum(map(len, course.offered.values()))
    assert counters.taken == sum(map(len, course.batches))
    assert counters.offered == counters.taken + counters.dropped + len(course.waiting)
    assert 0 <= counters.longest_wait_seconds <= counters.waiting_seconds


@given(courses)
def test_once_the_deadline_has_passed_repeated_taking_leaves_nobody_waiting(
    drawn: tuple[Batching, list[float | tuple[int, bool] | None]],
) -> None:
    course = played(*drawn)
    waiting = course.waiting
    course.now += course.batching.wait_seconds
    rounds = 0
    while course.take():
        rounds += 1
    assert course.waiting == []
    assert rounds == -(-len(waiting) // course.batching.max_frames)


@given(limits, st.lists(st.lists(st.integers(0, STREAMS - 1), max_size=12), min_size=1, max_size=30))
def test_nobody_starves_however_busy_the_others_are(batching: Batching, busy: list[list[int]]) -> None:
    """Stream 0 offers once; the others offer without end, and one batch is taken at a time."""
    course = joined(batching)
    course.offer(0)
    turns = -(-STREAMS // batching.max_frames)
    for offers in (busy * turns)[:turns]:
        for stream in offers:
            if stream:
                course.offer(stream)
        course.now += batching.wait_seconds
        course.take()
    assert [item.frame for item in course.taken[0]] == [0]


@given(courses)
def test_a_batch_comes_neither_before_it_is_due_nor_later(
    drawn: tuple[Batching, list[float | tuple[int, bool] | None]],
) -> None:
    course = played(*drawn)
    due = course.scheduler.due_seconds(course.batching)
    if due is None:
        assert course.waiting == []
    else:
        assert due <= course.now + course.batching.wait_seconds
        assert bool(course.take()) == (course.now >= due)


def test_a_frame_waits_for_the_others_until_the_deadline() -> None:
    course = joined()
    course.offer(0)
    course.now = 0.0039
    assert course.take() == []
    course.now = 0.004
    assert [item.stream for item in course.take()] == [0]
    assert course.scheduler.counters.longest_wait_seconds == pytest.approx(0.004)


def test_a_batch_goes_at_once_when_every_live_stream_has_a_frame() -> None:
    course = joined(streams=3)
    course.offer(2)
    course.offer(0)
    assert course.take() == []
    course.offer(1)
    assert [item.stream for item in course.take()] == [2, 0, 1]


def test_a_batch_goes_at_once_when_it_is_full() -> None:
    course = joined()
    for stream in (5, 3, 1, 0):
        course.offer(stream)
    assert [item.stream for item in course.take()] == [5, 3, 1, 0]


def test_nobody_waits_for_a_stream_that_has_left() -> None:
    course = joined(streams=2)
    course.offer(0)
    assert course.take() == []
    course.scheduler.leave(1)
    assert [item.stream for item in course.take()] == [0]


def test_replacing_frames_does_not_put_the_deadline_off() -> None:
    course = joined()
    for course.now in (0.0, 0.001, 0.002, 0.003, 0.004):
        course.offer(0)
    assert [(item.frame, item.continues, item.offered_seconds) for item in course.take()] == [(4, False, 0.004)]
    assert course.scheduler.counters.dropped == 4


def test_a_stream_that_leaves_takes_its_frame_with_it() -> None:
    course = joined()
    course.offer(0)
    course.scheduler.leave(0)
    course.scheduler.leave(0)
    course.now = 1.0
    assert course.take() == []
    assert course.scheduler.counters.dropped == 1
    with pytest.raises(EngineInputError, match="stream 0 is not live"):
        course.offer(0)


def test_a_frame_that_came_before_it_was_offered_has_waited_since() -> None:
    course = joined(streams=3)
    course.now = 1.0
    course.scheduler.offer(0, 0, True, course.now, came=0.999)
    assert course.scheduler.due_seconds(BATCHING) == pytest.approx(1.003)
    course.scheduler.offer(0, 1, True, 1.001, came=1.0005)  # in its place
    assert course.scheduler.due_seconds(BATCHING) == pytest.approx(1.003)
    assert course.scheduler.missing(BATCHING) == 2
    course.now = 1.003
    assert [scheduled.offered_seconds for scheduled in course.take()] == [1.001]


def test_a_frame_from_the_future_waits_from_now_on() -> None:
    course = joined(streams=2)
    course.scheduler.offer(0, 0, True, 0.0, came=5.0)
    assert course.scheduler.due_seconds(BATCHING) == pytest.approx(0.004)
