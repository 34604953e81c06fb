"""Errors beside the motion that there was to see."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from training.drivers.landmarks import LANDMARKS, PART
from training.evaluation.bench_clips import PROCEDURAL_FROM, BenchClips
from training.evaluation.comparison import by_driver
from training.evaluation.error_analysis import analyse, part_motion, save_analysis

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
    found = analyse(clips, by_driver(clips, rows))
    assert len(found.drivers) == DRIVERS
    areas = [error.area for error in found.drivers]
    assert areas == sorted(areas)
    assert areas[-1] == 1
    assert found.drivers[-1].driver == PROCEDURAL_FROM + DRIVERS - 1
    assert not found.drivers[-1].real
    assert all(error.confused_with != error.driver for error in found.drivers)
    assert found.drivers[-1].motion == pytest.approx(10 * DRIVERS, rel=0.01)
    assert all(effect.correlation > 0 and effect.p_value < 0.01 for effect in found.parts)
    own = np.diag(found.similarity)
    assert own[-1] > own[0]
    save_analysis(found, tmp_path / "errors.png")
    assert (tmp_path / "errors.png").stat().st_size > 10_000
