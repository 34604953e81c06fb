"""Artificial people: the same by seed, different from each other, neutral taken away."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from training.drivers.landmarks import eye_apertures
from training.drivers.performance import Performance
from training.drivers.procedural import ProceduralDriver
from training.drivers.seeds import SEED_RANGES, split_seeds


def test_equal_seed_and_take_give_equal_motion() -> None:
    one, other = (ProceduralDriver(5).motion(3, 30, take=2) for _ in range(2))
    np.testing.assert_array_equal(one.landmarks, other.landmarks)
    np.testing.assert_array_equal(one.head, other.head)


def test_takes_and_people_differ() -> None:
    motions = [ProceduralDriver(seed).motion(3, 30, take).landmarks for seed, take in ((5, 0), (5, 1), (6, 0))]
    for one, other in itertools.combinations(motions, 2):
        assert np.abs(one - other).max() > 0.01


def test_a_longer_take_begins_with_the_same_frames() -> None:
    short, long = (ProceduralDriver(7).motion(seconds, 30, take=1) for seconds in (2, 6))
    np.testing.assert_array_equal(short.landmarks, long.landmarks[: len(short)])
    np.testing.assert_array_equal(short.head, long.head[: len(short)])


def test_another_rate_shows_the_same_movement() -> None:
    slow, fast = (ProceduralDriver(8).motion(2, fps, take=0) for fps in (15, 30))
    np.testing.assert_allclose(slow.landmarks, fast.landmarks[::2], atol=1e-6)


@pytest.mark.parametrize("seed", [0, 1, 1_200_000])
def test_neutral_is_taken_away(seed: int) -> None:
    motion = ProceduralDriver(seed).motion(40, 15, take=3)
    assert np.abs(np.median(motion.landmarks, axis=0)).mean() < 0.005
    assert np.abs(np.median(motion.head, axis=0) - [0, 0, 1, 0]).max() < 0.08
    assert motion.landmarks.std(axis=0).mean() > 0.003


def test_people_blink() -> None:
    motion = ProceduralDriver(3).motion(30, 30)
    shut = eye_apertures(motion.landmarks)[:, 0] < -0.05
    blinks = int((np.diff(shut.astype(int)) == 1).sum())
    assert 2 <= blinks <= 40


def test_a_person_is_more_like_itself_than_like_others() -> None:
    """Mean log deviation of landmarks over 20 s already tells who drives, better than chance but not perfectly."""
    people = [ProceduralDriver(seed) for seed in range(12)]
    traits = np.array(
        [[np.log(p.motion(20, 15, take).landmarks.std(axis=0).ravel() + 1e-3) for take in (0, 1)] for p in people]
    )
    traits -= traits.mean(axis=(0, 1))
    distance = np.linalg.norm(traits[:, None, 0] - traits[None, :, 1], axis=-1)
    genuine = np.diag(distance)
    impostor = distance[~np.eye(len(people), dtype=bool)]
    auc = float((genuine[:, None] < impostor[None]).mean())
    assert 0.75 < auc <= 1.0


def test_seed_ranges_never_meet() -> None:
    for one, other in itertools.combinations(SEED_RANGES.values(), 2):
        assert one.stop <= other.start or other.stop <= one.start
    assert split_seeds("val", 2) == [1_000_000, 1_000_001]
    with pytest.raises(ValueError, match="holds 100000 seeds"):
        split_seeds("test", 100_001)


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match="seed"):
        ProceduralDriver(-1)
    with pytest.raises(ValueError, match="above 0"):
        ProceduralDriver(1).motion(0, 30)


def _steps(frames: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    flat = np.stack([np.concatenate([landmarks.ravel(), head]) for landmarks, head in frames])
    return np.asarray(np.abs(np.diff(flat, axis=0)).max(axis=1))


def test_a_switch_of_driver_leaves_no_jump() -> None:
    performance = Performance(1_200_000, fps=30)
    before = [next(performance) for _ in range(60)]
    performance.switch(1_200_001)
    after = [next(performance) for _ in range(60)]
    assert performance.driver_seed == 1_200_001
    seam = _steps([before[-1], after[0]])[0]
    assert seam <= 1.5 * np.quantile(_steps(before + after), 0.9)


def test_a_performance_goes_on_beyond_its_take() -> None:
    performance = Performance(4, fps=10)
    frames = [next(performance) for _ in range(450)]  # two and a half takes
    steps = _steps(frames)
    assert np.isfinite(steps).all()
    assert steps.max() < 0.35
    assert not np.allclose(frames[10][0], frames[210][0])
