"""Loops and ping-pong loops of made-up motion, and what is none."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from guard.liveness.repetition import HOLD_SECONDS, RepetitionWatch, held

FPS = 30
_BASIS = np.random.default_rng(5).normal(0, 8, (24, 16, 16))


def motion(seconds: float, seed: int = 0) -> NDArray[np.float32]:
    """A fingerprint that changes smoothly and never the same way."""
    random = np.random.default_rng(seed)
    weights = np.sin(2 * np.pi * random.uniform(0.1, 2.5, 24) * seconds + random.uniform(0, 2 * np.pi, 24))
    return (100 + np.tensordot(weights, _BASIS, 1)).astype(np.float32)


def play(
    watch: RepetitionWatch, picture: Callable[[float], NDArray[np.float32]], start: float, seconds: float, fps: float
) -> float | None:
    """Seconds after `start` at which a repetition was first seen; None where none was."""
    noise, first = np.random.default_rng(1), None
    for n in range(round(seconds * fps)):
        grain = noise.normal(0, 0.7, (16, 16)).astype(np.float32)
        watch.step(picture(n / fps) + grain, 1, start + n / fps)
        if watch.repeating and first is None:
            first = n / fps
    return first


@pytest.mark.parametrize("fps", [12.5, 25.0, 29.97])
@pytest.mark.parametrize("period", [2.03, 7.3, 60.0])
def test_a_loop_is_found_within_three_seconds_of_its_second_turn(period: float, fps: float) -> None:
    watch = RepetitionWatch()
    assert play(watch, motion, 0, period, fps) is None
    found = play(watch, motion, period, 4, fps)
    assert found is not None
    assert found <= 3.0


@pytest.mark.parametrize("length", [3.0, 20.0])
def test_a_ping_pong_loop_is_found_soon_after_its_turn(length: float) -> None:
    watch = RepetitionWatch()
    assert play(watch, motion, 0, length, FPS) is None
    found = play(watch, lambda t: motion(length - t), length, 3, FPS)
    assert found is not None
    assert found <= 3.0


def test_two_minutes_of_motion_that_is_alive_never_repeat() -> None:
    watch = RepetitionWatch()
    assert play(watch, lambda t: motion(t, seed=3), 0, 120, FPS) is None


def test_flickering_light_and_a_codecs_noise_are_no_repetition() -> None:
    watch = RepetitionWatch()
    still = motion(0)
    assert play(watch, lambda t: still + np.float32(20 * np.sin(4 * t)), 0, 20, FPS) is None


def test_a_loop_is_held_for_a_while_after_its_last_match_and_then_released() -> None:
    watch = RepetitionWatch()
    play(watch, motion, 0, 5, FPS)
    play(watch, motion, 5, 5, FPS)
    assert watch.repeating
    play(watch, lambda t: motion(t, seed=2), 10, HOLD_SECONDS - 1, FPS)
    assert watch.repeating
    play(watch, lambda t: motion(t, seed=4), 9 + HOLD_SECONDS, 3, FPS)
    assert not watch.repeating


def test_a_jump_in_media_time_does_not_erase_the_memory() -> None:
    watch = RepetitionWatch()
    play(watch, motion, 0, 5, FPS)
    assert play(watch, motion, -1000, 4, FPS) is not None


@given(st.floats(0, 255), st.integers(0, 2**31))
def test_motion_is_held_in_length_and_knows_no_light(light: float, seed: int) -> None:
    difference = np.random.default_rng(seed).normal(0, 30, 64).astype(np.float32)
    row = held(difference)
    assert float(row @ row) / 64 < 1
    assert held(difference + np.float32(light)) == pytest.approx(row, abs=1e-3)


@settings(max_examples=25)
@given(st.lists(st.tuples(st.floats(allow_nan=False, allow_infinity=False), st.integers(0, 2)), max_size=60))
def test_no_course_of_time_stamps_raises(frames: list[tuple[float, int]]) -> None:
    watch = RepetitionWatch()
    for seconds, generation in frames:
        watch.step(motion(0), generation, seconds)
    assert not watch.repeating
