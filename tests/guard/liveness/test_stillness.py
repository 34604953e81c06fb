"""Frozen or alive, on made-up fingerprints."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from guard.liveness.stillness import (
    MOVING_LEVEL,
    SPAN_SECONDS,
    STILL_LEVEL,
    WINDOW_SECONDS,
    StillnessWatch,
    change,
)

FPS = 30


def play(watch: StillnessWatch, pictures: list[NDArray[np.float32]], start: float) -> float | None:
    """Seconds after `start` at which the picture was first called frozen; None where never."""
    first = None
    for n, picture in enumerate(pictures):
        watch.step(picture, 1, start + n / FPS)
        if watch.frozen and first is None:
            first = n / FPS
    return first


def grainy(count: int, grain: float, seed: int = 0) -> list[NDArray[np.float32]]:
    random = np.random.default_rng(seed)
    return [random.normal(100, grain, (16, 16)).astype(np.float32) for _ in range(count)]


def moving(count: int, speed: float) -> list[NDArray[np.float32]]:
    """Everything brightens by `speed` grey levels a second."""
    return [np.full((16, 16), 50 + speed * n / FPS, np.float32) for n in range(count)]


def test_change_is_the_mean_of_the_eight_largest() -> None:
    before = np.zeros((16, 16), np.float32)
    after = before.copy()
    after.flat[:8] = np.arange(1, 9)
    assert change(before, after) == pytest.approx(4.5)


def test_a_codecs_noise_is_frozen_within_the_limit() -> None:
    watch = StillnessWatch()
    assert play(watch, moving(3 * FPS, 20), 0) is None
    found = play(watch, grainy(3 * FPS, 0.2), 3)
    assert found is not None
    assert found < 1.6
    assert watch.frozen


def test_a_keyframe_does_not_bring_a_frozen_picture_to_life() -> None:
    watch = StillnessWatch()
    play(watch, grainy(3 * FPS, 0.2), 0)
    for n in range(5):
        play(watch, [grainy(1, 0.2)[0] + 15, *grainy(FPS - 1, 0.2)], 3 + n)
        assert watch.frozen


def test_between_the_levels_it_stays_what_it_was() -> None:
    between = moving(4 * FPS, (STILL_LEVEL + MOVING_LEVEL) / 2 / 0.4)
    fresh, still = StillnessWatch(), StillnessWatch()
    play(still, grainy(3 * FPS, 0.2), 0)
    play(fresh, between, 0)
    play(still, between, 3)
    assert (fresh.frozen, still.frozen) == (False, True)
    play(still, moving(2 * FPS, 30), 7)
    assert not still.frozen


def test_two_crops_are_not_compared_and_time_may_run_back() -> None:
    watch = StillnessWatch()
    for n in range(60):
        watch.step(grainy(1, 20, n)[0], n, n / FPS)  # each frame of another crop
    assert watch.level is None
    for n in range(60):
        watch.step(grainy(1, 20, n)[0], 1, -n / FPS)
    assert watch.level is None


def test_the_level_is_the_median_of_the_newest_window_however_fast_frames_come() -> None:
    watch, random = StillnessWatch(), np.random.default_rng(3)
    pictures, changes, seconds = [], [], 0.0
    for _ in range(600):
        seconds += float(random.choice([0.004, 0.033, 0.2]))
        pictures.append((seconds, random.normal(100, 3, (16, 16)).astype(np.float32)))
        watch.step(pictures[-1][1], 1, seconds)
        kept = pictures[-128:]
        old = [picture for at, picture in kept if seconds - at >= SPAN_SECONDS]
        if old:
            changes.append((seconds, change(old[-1], pictures[-1][1])))
        window = [level for at, level in changes if seconds - at <= WINDOW_SECONDS][-128:]
        if watch.level is not None:
            assert watch.level == sorted(window)[len(window) // 2]
    assert watch.level is not None
