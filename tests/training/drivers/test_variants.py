"""Retimed and mirrored people."""

from __future__ import annotations

import numpy as np
import pytest

from training.drivers.face_basis import generic_face
from training.drivers.landmarks import LANDMARKS
from training.drivers.motion import DriverMotion
from training.drivers.procedural import ProceduralDriver
from training.drivers.variants import MIRROR_ORDER, at_tempo, mirrored


def test_mirroring_a_symmetric_face_changes_nothing() -> None:
    face = generic_face()
    np.testing.assert_allclose(face[MIRROR_ORDER] * [-1, 1], face, atol=0.03)


def test_mirroring_twice_is_the_same_motion() -> None:
    motion = ProceduralDriver(3).motion(2.0, 30.0, 0)
    twice = mirrored(mirrored(motion))
    np.testing.assert_array_equal(twice.landmarks, motion.landmarks)
    np.testing.assert_array_equal(twice.head, motion.head)
    assert np.abs(mirrored(motion).landmarks - motion.landmarks).max() > 0.01


def _ramp(frames: int) -> DriverMotion:
    time = np.arange(frames, dtype=np.float32)
    landmarks = np.broadcast_to(time[:, None, None] * 0.01, (frames, LANDMARKS, 2)).astype(np.float32)
    return DriverMotion(landmarks, np.tile(time[:, None], (1, 4)), 30.0)


@pytest.mark.parametrize(("tempo", "frames"), [(0.8, 124), (1.25, 80), (1.0, 100)])
def test_a_ramp_rises_by_the_tempo(tempo: float, frames: int) -> None:
    played = at_tempo(_ramp(100), tempo)
    assert abs(len(played) - frames) <= 1
    np.testing.assert_allclose(np.diff(played.head[5:-5, 0]), tempo, rtol=1e-3)
    np.testing.assert_allclose(played.landmarks[40, 0, 0], 0.4 * tempo, rtol=1e-3)


def test_a_tempo_of_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="above 0"):
        at_tempo(_ramp(10), 0)
