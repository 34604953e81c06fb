"""Frames in, samples out, with a tracker under the test's control: nobody waits, and nobody gets another's face."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue

import pytest

from guard.config import ExpressionsConfig
from guard.errors import ExpressionError
from guard.expressions.front_end import ExpressionFrontEnd
from guard.expressions.lifecycle import TrackerState
from guard.expressions.messages import BLENDSHAPES, Reply, ReplyKind
from guard.expressions.waiting_frames import PER_SEAT, WaitingFrame
from guard.seat_key import SeatKey
from tests.guard.expressions.conftest import face

ALICE, BOB = SeatKey("standup", "alice"), SeatKey("standup", "bob")
CONFIG = ExpressionsConfig(enabled=True, landmarker=Path("/m"), rate_hz=10)
_SECONDS = 20


class HeldLink:
    """A tracker that answers a frame when the test lets it."""

    def __init__(self, *, answers: bool = True) -> None:
        self.seen: SimpleQueue[WaitingFrame] = SimpleQueue()
        self.forgotten: SimpleQueue[int] = SimpleQueue()
        self._go: SimpleQueue[Exception | None] = SimpleQueue()
        self._answers = answers
        self.closed = threading.Event()

    pid = 0

    def let(self, error: Exception | None = None) -> None:
        self._go.put(error)

    def wait_ready(self) -> str:
        return "a tracker of the test's"

    def track(self, frame: WaitingFrame) -> Reply:
        self.seen.put(frame)
        if not self._answers and (error := self._go.get(timeout=_SECONDS)) is not None:
            raise error
        shares = (float(frame.pixels[0, 0]) / 255,) * BLENDSHAPES
        return Reply(ReplyKind.SAMPLE, 1, True, 0.01, shares)

    def forget(self, track: int) -> None:
        self.forgotten.put(track)

    def kill(self) -> None:
        self.let(ExpressionError("it was ended", retryable=True))

    def close(self) -> None:
        self.closed.set()


@contextmanager
def front_end(*links: HeldLink | ExpressionError) -> Iterator[ExpressionFrontEnd]:
    rest = iter(links)

    def make(_config: ExpressionsConfig, _seats: int) -> HeldLink:
        link = next(rest)
        if isinstance(link, ExpressionError):
            raise link
        return link

    end = ExpressionFrontEnd(CONFIG, 4, make)
    end.start()
    try:
        yield end
    finally:
        end.stop()


def until(condition: Callable[[], bool]) -> None:
    """The front end's thread has no hook to wait for, so this looks again and again."""
    passed = threading.Event()
    for _ in range(200 * _SECONDS):
        if condition():
            return
        passed.wait(0.005)
    raise AssertionError("it did not come to pass")


def running(end: ExpressionFrontEnd) -> None:
    until(lambda: end.status.state is TrackerState.RUNNING)


def test_frames_of_the_rate_become_samples_in_order() -> None:
    link = HeldLink(answers=False)
    with front_end(link) as end:
        running(end)
        samples = []
        for number in range(12):
            end.offer(ALICE, face(number + 1, number / 30))
            if number % 3 == 0:
                link.let()
                until(lambda: end.counts.tracked == number // 3 + 1)  # noqa: B023 - called at once
                samples += end.take()
        assert [sample.seconds for sample in samples] == pytest.approx([0, 0.1, 0.2, 0.3])
        assert [round(255 * float(sample.blendshapes[0])) for sample in samples] == [1, 4, 7, 10]
        assert {sample.seat for sample in samples} == {ALICE}
        assert [sample.arrival_seconds for sample in samples] == pytest.approx([0, 0.1, 0.2, 0.3])
        assert end.counts.cpu_seconds == pytest.approx(0.04)
        assert end.take() == []


def test_a_tracker_that_is_held_up_costs_the_oldest_frames_and_nobodys_time() -> None:
    link = HeldLink(answers=False)
    with front_end(link) as end:
        running(end)
        end.offer(ALICE, face(1, 0.0))
        assert link.seen.get(timeout=_SECONDS).seconds == 0
        for number in range(1, 10):
            end.offer(ALICE, face(1, number / 10))
        for _ in range(1 + PER_SEAT):
            link.let()
        until(lambda: end.counts.tracked == 1 + PER_SEAT)
        assert [sample.seconds for sample in end.take()] == pytest.approx([0, 0.7, 0.8, 0.9])
        assert end.counts.dropped == 6


def test_who_left_gets_no_sample_and_who_takes_the_seat_none_of_theirs() -> None:
    link = HeldLink(answers=False)
    with front_end(link) as end:
        running(end)
        end.offer(ALICE, face(10, 5.0))
        left = link.seen.get(timeout=_SECONDS).track
        end.offer(ALICE, face(11, 5.2))
        end.leave(ALICE)
        end.offer(ALICE, face(20, 0.0))
        link.let()
        link.let()
        until(lambda: end.counts.tracked == 2)
        samples = end.take()
        assert [round(255 * float(sample.blendshapes[0])) for sample in samples] == [20]
        assert link.forgotten.get(timeout=_SECONDS) == left


def test_nobody_is_kept_in_mind_where_no_tracker_runs() -> None:
    with front_end(ExpressionError("no tracker is installed", retryable=False)) as end:
        until(lambda: end.status.state is TrackerState.REFUSED)
        for number in range(20):
            end.offer(ALICE, face(number, 0.0))
            end.leave(ALICE)
        assert len(end._left) == 0


def test_samples_that_nobody_has_taken_go_with_who_left() -> None:
    link = HeldLink()
    with front_end(link) as end:
        running(end)
        end.offer(ALICE, face(10, 0.0))
        end.offer(BOB, face(20, 0.0))
        until(lambda: end.counts.tracked == 2)
        end.leave(ALICE)
        end.leave(SeatKey("standup", "nobody"))
        assert [sample.seat for sample in end.take()] == [BOB]


def test_a_tracker_that_ends_is_replaced_and_says_why_meanwhile() -> None:
    first, second = HeldLink(answers=False), HeldLink()
    with front_end(first, second) as end:
        running(end)
        end.offer(ALICE, face(1, 0.0))
        first.let(ExpressionError("the tracker of expressions ended with SIGKILL", retryable=True))
        until(first.closed.is_set)
        until(lambda: end.status.reason == "the tracker of expressions ended with SIGKILL")
        end.offer(ALICE, face(1, 0.2))
        running(end)
        end.offer(ALICE, face(1, 0.4))
        until(lambda: end.counts.tracked == 1)
        assert [sample.seconds for sample in end.take()] == [0.4], "what was offered to nobody is not tracked late"


def test_a_tracker_that_refuses_is_not_started_again() -> None:
    with front_end(ExpressionError("needs MediaPipe", retryable=False)) as end:
        until(lambda: end.status.state is TrackerState.REFUSED)
        end.offer(ALICE, face(1, 0.0))
        assert end.status.text == "refused: needs MediaPipe"
        assert end.take() == []
    assert end.status.state is TrackerState.OFF


def test_stopping_does_not_wait_for_a_tracker_that_hangs() -> None:
    link = HeldLink(answers=False)
    with front_end(link) as end:
        running(end)
        end.offer(ALICE, face(1, 0.0))
        link.seen.get(timeout=_SECONDS)
    assert link.closed.is_set()


def test_an_error_of_the_guards_own_is_a_reason_too(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(HeldLink):
        def wait_ready(self) -> str:
            raise ZeroDivisionError

    good = HeldLink()
    with front_end(Broken(), good) as end:
        until(lambda: end.status.reason == "the guard had an internal error while tracking")
        running(end)
    assert "tracking of expressions failed" in caplog.text
