"""Tracks of any rate become one rate; breaks stay breaks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.drivers.face_basis import generic_face
from training.drivers.landmarks import (
    LANDMARKS,
    MEDIAPIPE_INDICES,
    PART,
    STANDARD_APERTURE,
    eye_apertures,
    eye_frame,
    to_face_units,
)
from training.drivers.motion import DriverMotion, relative_head, relative_motion
from training.drivers.resampling import resample, segments


@pytest.mark.parametrize("fps", [22.1, 25.0, 29.97, 30.0])
def test_a_straight_line_survives_resampling_exactly(fps: float) -> None:
    seconds = np.arange(60) / fps
    to_seconds = np.arange(50) / 30.0
    line = np.stack([2.0 * seconds + 1.0, -seconds], axis=1)
    result = resample(line, seconds, to_seconds)
    np.testing.assert_allclose(result, np.stack([2.0 * to_seconds + 1.0, -to_seconds], axis=1), atol=1e-4)


def test_noise_is_smoothed_alike_at_every_phase_between_frames() -> None:
    rng = np.random.default_rng(0)
    seconds = np.arange(6000) / 25.0
    result = resample(rng.normal(size=(6000, 1)), seconds, np.arange(7100) / 30.0)[30:-30, 0]
    spread = [float(result[phase::6].std()) for phase in range(6)]  # 25 -> 30 fps repeats every six frames
    assert max(spread) / min(spread) < 1.25


def test_short_gaps_are_bridged_and_long_ones_break() -> None:
    ok = np.array([1, 1, 0, 0, 1, 1, 0, 0, 0, 1], bool)
    assert segments(ok, longest_gap=2) == [(0, 6), (9, 10)]
    assert segments(np.zeros(4, bool), longest_gap=2) == []


@given(st.lists(st.booleans(), max_size=40), st.integers(0, 4))
def test_segments_hold_every_good_frame_once(flags: list[bool], gap: int) -> None:
    ok = np.array(flags, bool)
    covered = np.zeros(len(ok), int)
    for start, end in segments(ok, gap):
        assert ok[start] and ok[end - 1]
        covered[start:end] += 1
    assert (covered[ok] == 1).all()
    assert covered.max(initial=0) <= 1


def test_the_compact_set_names_each_landmark_once() -> None:
    assert LANDMARKS == len(set(MEDIAPIPE_INDICES.tolist())) == 95
    assert MEDIAPIPE_INDICES.min() >= 0
    assert MEDIAPIPE_INDICES.max() < 478


@given(st.floats(-200, 200), st.floats(20, 300), st.floats(-0.6, 0.6))
def test_face_units_forget_place_size_and_roll(shift: float, size: float, roll: float) -> None:
    face = generic_face()
    turn = np.array([[np.cos(roll), np.sin(roll)], [-np.sin(roll), np.cos(roll)]])
    pixels = face @ turn * size + np.array([shift, -shift])
    middle, distance, seen_roll = eye_frame(pixels)
    np.testing.assert_allclose(middle, [shift, -shift], atol=1e-6)
    assert distance == pytest.approx(size)
    assert seen_roll == pytest.approx(roll)
    np.testing.assert_allclose(to_face_units(pixels), face, atol=1e-9)


@pytest.mark.parametrize("opening", [0.6, 1.0, 1.6])
def test_a_shut_eye_travels_one_standard_aperture_whoever_it_belongs_to(opening: float) -> None:
    neutral = generic_face().copy()
    shut = neutral.copy()
    for side in ("right", "left"):
        for lid in ("upper", "lower"):
            neutral[PART[f"{lid}_lid_{side}"], 1] *= opening
            shut[PART[f"{lid}_lid_{side}"], 1] = 0.0
    motion = relative_motion(shut[None], neutral)
    np.testing.assert_allclose(eye_apertures(motion)[0], -STANDARD_APERTURE, rtol=1e-4)


def test_head_motion_is_relative_to_the_usual_pose() -> None:
    frame = np.tile([320.0, 180.0, 80.0, 0.1], (9, 1))
    frame[0] = [360.0, 180.0, 88.0, 0.2]
    head = relative_head(frame)
    np.testing.assert_allclose(head[0], [0.5, 0.0, 1.1, 0.1], atol=1e-6)
    np.testing.assert_allclose(head[1:], np.tile([0.0, 0.0, 1.0, 0.0], (8, 1)), atol=1e-6)


def test_a_window_outside_the_motion_is_refused() -> None:
    motion = DriverMotion(np.zeros((10, LANDMARKS, 2), np.float32), np.zeros((10, 4), np.float32), 30.0)
    assert len(motion.window(2, 8)) == 8
    with pytest.raises(ValueError, match="does not fit"):
        motion.window(3, 8)
    with pytest.raises(ValueError, match="motion needs"):
        DriverMotion(np.zeros((10, 3, 2), np.float32), np.zeros((10, 4), np.float32), 30.0)
