"""Recordings of several days: which are taken, and which pairs of them are trials."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from training.data.bank import MotionBank
from training.errors import DataError
from training.evaluation.day_clips import DayClips, day_trials, day_windows
from training.metrics import pooled_area


def _bank(days: list[int], lengths: list[int]) -> MotionBank:
    """One driver's recordings, clip after clip."""
    count = len(days)
    ends = np.cumsum(lengths)
    return MotionBank(
        np.zeros((ends[-1], 1, 2), np.float16),
        np.zeros((ends[-1], 4), np.float32),
        ends - np.array(lengths),
        np.array(lengths),
        np.zeros(count, np.int64),
        np.array(days),
        ("ann",),
        tuple(str(number) for number in range(count)),
    )


def test_the_fullest_days_give_the_middles_of_their_recordings() -> None:
    bank = _bank([7, 5, 5, 5, 5, 5, 7, 5, 6], [35, 32, 37, 31, 32, 32, 32, 32, 32])
    # Day 5 holds five recordings that are long enough: the first four count. Clip 3 is too short.
    assert day_windows(bank, 0, 32).tolist() == [[1, 0], [2, 2], [4, 0], [5, 0], [0, 1], [6, 0], [8, 0]]


def test_two_videos_are_no_proof_of_two_days() -> None:
    assert day_windows(_bank([5, 5, 6], [40, 40, 40]), 0, 32).shape == (0, 2)


def _clips() -> DayClips:
    """Two drivers, two days each, four recordings a day, on two faces."""
    driver, day, _, face = (part.ravel() for part in np.indices((2, 2, 4, 2)))
    frames = np.zeros((len(driver), 6, 4, 4), np.uint8)
    return DayClips(frames, np.zeros((len(driver), 6, 1, 2), np.float16), driver, 2 * driver + day, face)


def test_trials_are_of_two_days_and_one_face() -> None:
    clips = _clips()
    one, pooled = day_trials(clips, np.eye(4, dtype=np.float32)[clips.driver]).values()
    # Per face 16 recordings: pairs of all but those of one day, of which four days have 6 each.
    assert len(one.scores) == 2 * (16 * 15 // 2 - 4 * 6)
    assert int(one.genuine.sum()) == 2 * 2 * 4 * 4
    assert len(pooled.scores) == 2 * 6
    assert pooled_area(one) == pooled_area(pooled) == 1


def test_knowing_the_day_is_worse_than_knowing_the_driver() -> None:
    """Whoever reads the day (light, mood) takes nobody for the same: genuine and impostor scores are alike."""
    clips = _clips()
    one = day_trials(clips, np.eye(4, dtype=np.float32)[clips.day])["one window"]
    assert pooled_area(one) == 0.5


def test_days_without_four_recordings_are_refused() -> None:
    clips = _clips()
    with pytest.raises(DataError, match="4 recordings of one day"):
        few = np.arange(len(clips.day)) % 8 < 6
        day_trials(
            replace(clips, **{name: getattr(clips, name)[few] for name in ("driver", "day", "face")}),
            np.ones((int(few.sum()), 4), np.float32),
        )
