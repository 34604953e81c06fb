"""The clock counts what it is told to, and an engine under it computes what the bare one does."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from engines.protocol import FRAME_SIZE_PX
from engines.registry import load_engine
from engines.stage_clock import StageClock


def _ticking() -> Callable[[], float]:
    """A second passes between any two looks."""
    ticks = count()
    return lambda: float(next(ticks))


def test_calls_add_up_by_stage_in_the_order_of_their_first() -> None:
    clock = StageClock(_ticking())
    double = clock.timed("second", lambda value: 2 * value)
    add = clock.timed("first", lambda left, right: left + right)
    assert (add(1, 2), double(4), add(3, right=4)) == (3, 8, 7)
    assert list(clock.seconds.items()) == [("first", 2.0), ("second", 1.0)]
    clock.clear()
    assert clock.seconds == {}


def test_waiting_for_the_work_counts() -> None:
    now = 0.0

    def work() -> None:
        nonlocal now
        now += 1

    def wait() -> None:
        nonlocal now
        now += 10

    clock = StageClock(lambda: now)
    clock.timed("kernel", work, settle=wait)()
    assert clock.seconds == {"kernel": 11.0}


def test_methods_and_calls_of_a_part_count_and_its_values_do_not() -> None:
    class Part:
        size = 3

        def __call__(self, value: int) -> int:
            return value + 1

        def twice(self, value: int) -> int:
            return 2 * value

    clock = StageClock(_ticking())
    part = clock.watched("part", Part())
    assert (part(1), part.twice(5), part.size) == (2, 10, 3)
    assert clock.seconds == {"part": 2.0}


def test_a_call_that_fails_goes_through() -> None:
    clock = StageClock()
    with pytest.raises(ZeroDivisionError):
        clock.timed("stage", lambda: 1 / 0)()


def test_the_cpu_engine_under_a_clock_answers_as_without(random_engine_folder: Path) -> None:
    clock = StageClock()
    bare = load_engine(str(random_engine_folder), "onnx")
    watched = load_engine(str(random_engine_folder), "onnx", clock=clock)
    frames = np.random.default_rng(1).integers(0, 256, (9, 2, FRAME_SIZE_PX, FRAME_SIZE_PX), dtype=np.uint8)
    slots, continues = np.arange(2, dtype=np.int32), np.ones(2, np.bool_)
    for engine in (bare, watched):
        engine.open(2)
    for pair in frames:
        wanted, found = bare.step(slots, pair, continues), watched.step(slots, pair, continues)
        np.testing.assert_array_equal(found.embeddings, wanted.embeddings)
        np.testing.assert_array_equal(found.valid_fraction, wanted.valid_fraction)
    assert wanted.valid_fraction.min() > 0
    assert list(clock.seconds) == ["backbone", "difference", "head", "flow", "pooling", "embedding"]
    for engine in (bare, watched):
        engine.close()
