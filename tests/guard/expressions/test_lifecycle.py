"""A tracker's state always has a reason where nothing comes, and restarts slow down."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from guard.expressions.lifecycle import OFF, Lifecycle, TrackerState


def test_the_reason_of_the_last_end_stays_until_a_tracker_runs() -> None:
    life = Lifecycle(Random(0))
    assert life.status.reason == "the tracker of expressions is starting"
    life.ended(0.0, "it ended with status 1")
    assert life.status.state is TrackerState.WAITING
    life.starting()
    assert (life.status.state, life.status.reason) == (TrackerState.STARTING, "it ended with status 1")
    life.ready(1.0, "MediaPipe 0.10.35")
    assert life.status.reason is None
    assert life.status.text == "running: MediaPipe 0.10.35"
    life.starting()
    assert life.status.reason == "the tracker of expressions is starting"


def test_a_refusal_stays() -> None:
    life = Lifecycle(Random(0))
    life.refused("no MediaPipe")
    assert life.status.text == "refused: no MediaPipe"
    life.stopped()
    assert life.status == OFF


def test_a_tracker_that_always_ends_is_started_ever_more_rarely() -> None:
    life = Lifecycle(Random(1))
    now, waits = 0.0, []
    for _ in range(12):
        life.ready(now, "")
        now += 1.0
        waits.append(life.ended(now, "died"))
        now += waits[-1]
    assert waits[0] <= 0.5
    assert 15 <= waits[-1] <= 30
    life.ready(now, "")
    assert life.ended(now + 60, "died") <= 0.5, "one that ran for long starts the waits over"


@given(st.lists(st.sampled_from(["starting", "ready", "ended", "refused"]), max_size=30))
def test_a_reason_is_there_whenever_nothing_runs(steps: list[str]) -> None:
    life = Lifecycle(Random(2))
    for number, step in enumerate(steps):
        match step:
            case "starting":
                life.starting()
            case "ready":
                life.ready(float(number), "it")
            case "ended":
                assert life.ended(float(number), "why") > 0
            case _:
                life.refused("why")
        assert life.is_running == (life.status.state is TrackerState.RUNNING)
        assert (life.status.reason is None) == life.is_running
