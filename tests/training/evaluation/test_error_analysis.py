"""Errors beside the motion that there was to see."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from training.drivers.landmarks import LANDMARKS, PART
from training.errors import DataError
from training.evaluation.bench_clips import PROCEDURAL_FROM, BenchClips
from training.evaluation.comparison import by_driver
from training.evaluation.error_analysis import (
    DriverError,
    ErrorAnalysis,
    PartEffect,
    analyse,
    bench_motion,
    part_motion,
    save_analysis,
)
from training.evaluation.error_text import confusions, errors_text, limits
from training.metrics import Estimate

DRIVERS = 6


def test_motion_is_counted_where_it_happens() -> None:
    landmarks = np.zeros((2, 5, LANDMARKS, 2))
    landmarks[1, :, PART["iris_right"], 0] = 0.01 * np.arange(5)[:, None]
    motion = part_motion(landmarks)
    assert motion["gaze"].tolist() == pytest.approx([0, 5])
    assert all(not values.any() for name, values in motion.items() if name != "gaze")


def bench_of_more_and_less_motion() -> tuple[BenchClips, np.ndarray]:
    """Driver d's embedding is noisier the less the driver moves; half of the drivers are people."""
    random = np.random.default_rng(0)
    place, face, window = (part.ravel() for part in np.indices((DRIVERS, 2, 8)))
    landmarks = np.zeros((len(place), 6, LANDMARKS, 2), np.float16)
    landmarks[..., 0] = 0.01 * (place[:, None, None] + 1) * np.arange(6)[None, :, None]
    driver = np.where(place % 2 == 0, place, PROCEDURAL_FROM + place)
    rows = np.eye(DRIVERS)[place] + random.standard_normal((len(place), DRIVERS)) * (DRIVERS - 1 - place)[:, None]
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    frames = np.zeros((len(place), 6, 4, 4), np.uint8)
    return BenchClips(frames, landmarks, driver, face, window >= 4), rows.astype(np.float32)


def test_drivers_who_move_less_come_first_where_their_windows_tell_less(tmp_path: Path) -> None:
    clips, rows = bench_of_more_and_less_motion()
    found = analyse(bench_motion(clips), by_driver(clips, rows))
    assert len(found.drivers) == DRIVERS
    areas = [error.area for error in found.drivers]
    assert areas == sorted(areas)
    assert areas[-1] == 1
    assert found.drivers[-1].driver == PROCEDURAL_FROM + DRIVERS - 1
    assert not found.drivers[-1].real
    assert all(error.confused_with != error.driver for error in found.drivers)
    assert found.drivers[-1].motion == pytest.approx(10 * DRIVERS, rel=0.01)
    assert all(effect.correlation.value > 0 for effect in found.parts)
    assert found.driver_effect.correlation.value > 0
    assert found.thirds[0] < found.thirds[2]
    own = np.diag(found.similarity)
    assert own[-1] > own[0]
    save_analysis(found, tmp_path / "errors.png")
    assert (tmp_path / "errors.png").stat().st_size > 10_000


def effect(part: str, correlation: float, p_value: float) -> PartEffect:
    return PartEffect(part, Estimate(correlation, correlation - 0.2, correlation + 0.2), p_value)


def analysis(areas: list[float], taken_for: list[int], similarity: np.ndarray, pooled: float = 0.9) -> ErrorAnalysis:
    drivers = tuple(
        DriverError(number, True, area, 1.0 + number, other)
        for number, (area, other) in enumerate(zip(areas, taken_for, strict=True))
    )
    parts = (effect("lips", 0.3, 0.001), effect("nose", 0.1, 0.04))
    return ErrorAnalysis(drivers, parts, 0.8, pooled, (0.7, 0.8, 0.9), similarity)


def test_sentences_say_what_the_numbers_do() -> None:
    own_best = np.eye(4)
    own_best[1, 0] = 2.0
    found = analysis([0.2, 0.8, 0.9, 0.9], [1, 0, 1, 2], own_best)
    worst, bad, mutual = confusions(found)
    assert "worst 1 of 4 drivers make 67% of the errors" in worst
    assert "would make 25%" in worst
    assert "3 are nearest to their own" in worst
    assert "chance: 1 (0 for 1)" in bad
    assert mutual == "Nearest to each other both ways: 0 and 1."
    seconds, motion, parts = limits(found)
    assert "takes 50% of the error away, 50% of it stays" in seconds
    assert "0.700, then 0.800, and 0.900" in motion
    assert "no relation of motion and error is shown (rank correlation +0.95 [" in motion
    assert (
        "more motion of the lips goes with a larger margin of a window (+0.30 [+0.10, +0.50], p = 0.001, 0.002" in parts
    )
    assert "correlation +0.00 [-1.00, +1.00], p = 1" in limits(analysis([0.8, 0.9], [1, 0], np.eye(2)))[1]
    assert "does not help" in limits(analysis([0.8, 0.9], [1, 0], np.eye(2), pooled=0.8))[0]
    text = errors_text(found)
    assert "| 0 | person | 0.200 | 1.0 | 1 |" in text
    assert "| nose | +0.10 [-0.10, +0.30] | 0.04 |" in text


def test_no_part_is_named_where_none_stands_out_once_all_are_counted() -> None:
    others = (effect(name, 0.1, 0.4) for name in ("brows", "lids", "gaze", "nose", "cheeks"))
    one_of_six = (effect("lips", -0.3, 0.01), *others)
    found = replace(analysis([0.8, 0.9], [1, 0], np.eye(2)), parts=one_of_six)
    sentence = limits(found)[2]
    assert "of no part of the face is it shown" in sentence
    assert "(nearest: lips, -0.30 [-0.50, -0.10], p = 0.01, 0.06 with all 6 parts counted)" in sentence


def test_a_window_shown_on_two_faces_counts_once() -> None:
    """On a second face, where all templates and probes are the same, nothing is learnt that the first did not tell."""
    random = np.random.default_rng(3)
    place, window = (part.ravel() for part in np.indices((DRIVERS, 6)))
    landmarks = random.random((len(place), 6, LANDMARKS, 2)).astype(np.float16)
    rows = random.standard_normal((len(place), 8)) + 2 * np.eye(8)[place]
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    frames = np.zeros((len(place), 6, 4, 4), np.uint8)
    clips = BenchClips(frames, landmarks, place, np.zeros_like(place), window >= 3)
    frames, landmarks, driver, probe = (
        np.concatenate([part, part]) for part in (clips.frames, clips.landmarks, clips.driver, clips.probe)
    )
    twice = BenchClips(frames, landmarks, driver, np.repeat([0, 1], len(place)), probe)
    once = analyse(bench_motion(clips), by_driver(clips, rows))
    both = analyse(bench_motion(twice), by_driver(twice, np.concatenate([rows, rows])))
    for one, other in zip(once.parts, both.parts, strict=True):
        assert other.correlation.value == pytest.approx(one.correlation.value)
        assert other.p_value == one.p_value


def test_what_more_video_gives_is_told_apart_from_what_one_window_lacks() -> None:
    """Every other window leans to the next driver's direction and away from it: pooled, the own one is left."""
    place, face, window = (part.ravel() for part in np.indices((DRIVERS, 1, 4)))
    clips = BenchClips(
        np.zeros((len(place), 6, 4, 4), np.uint8),
        np.random.default_rng(1).random((len(place), 6, LANDMARKS, 2)).astype(np.float16),
        place, face, window >= 2,
    )  # fmt: skip
    lean = np.where(clips.probe, 3 * (-1.0) ** window, 0)
    rows = np.eye(DRIVERS)[place] + lean[:, None] * np.eye(DRIVERS)[(place + 1) % DRIVERS]
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    found = analyse(bench_motion(clips), by_driver(clips, rows.astype(np.float32)))
    assert found.pooled_area == 1
    assert found.window_area < 0.95


def test_motion_and_probes_have_to_be_of_the_same_windows() -> None:
    clips, rows = bench_of_more_and_less_motion()
    motion = bench_motion(clips)
    with pytest.raises(DataError, match="have the motion of 0 windows"):
        analyse(replace(motion, face=motion.face + 5), by_driver(clips, rows))
    with pytest.raises(DataError, match="no two drivers"):
        analyse(motion, by_driver(clips, rows)[:1])
