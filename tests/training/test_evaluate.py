"""The evaluation on embeddings and renderers whose outcome is known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from engines.comparison import comparison_scores, mean_embedding
from training.cohort import FILMED, Cohort, build_cohort, calibrate_on, procedural_trials, real_trials
from training.data.bank import MotionClip, build_bank
from training.data.calls import Recording
from training.data.material import Material
from training.data.windows import driver_windows
from training.drivers.motion import DriverMotion
from training.embedding import shuffled_in_time, through_network
from training.errors import DataError
from training.evaluate import (
    CallProtocol,
    DriverEmbeddings,
    Protocol,
    accuracy,
    cosine,
    embed_calls,
    embed_material,
    pooled_trials,
    template_trials,
    window_trials,
)
from training.generators.targets import TARGET_SIZE_PX, TargetSet
from training.models.static import StaticNet
from training.models.streaming import StreamingFeatDiff

Rows = NDArray[np.float32]


def clip(driver: str, session: str, frames: int, pace: float) -> MotionClip:
    """Landmarks that move evenly: `pace` is the driver's habit."""
    landmarks = np.zeros((frames, 95, 2), np.float32)
    landmarks[:, :, 0] = pace * np.arange(frames)[:, None]
    motion = DriverMotion(landmarks, np.zeros((frames, 4), np.float32), 30.0)
    return MotionClip(driver, session, f"{driver}/{session}", motion)


@pytest.fixture(scope="module")
def material() -> Material:
    clips = [clip(f"d{n}", f"s{take}", 40, 0.1 * (n + 1)) for n in range(5) for take in range(2)]
    bank = build_bank([*clips, clip("short", "s0", 12, 1.0), clip("single", "s0", 60, 0.9)])
    images = np.zeros((3, TARGET_SIZE_PX, TARGET_SIZE_PX), np.uint8)
    return Material(bank, ((0, 1, 2, 3, 4),), TargetSet(images, np.zeros((3, 95, 2), np.float32), ("a", "b", "c")))


def pace_and_face(target: Tensor, landmarks: Tensor, head: Tensor, generator: torch.Generator) -> Tensor:
    """A stand-in for the renderer: grey falls with the driver's pace, its level is the target's."""
    grey = 20 * target.view(-1, 1) + 10 * landmarks[:, :, 0, 0] - 10 * landmarks[:, :1, 0, 0]
    return grey[:, :, None, None].expand(*grey.shape, 8, 8)


def by_motion(clips: NDArray[np.uint8]) -> Rows:
    """Embeds the change over the clip, which no face can alter."""
    change = (clips[:, -1, 0, 0].astype(float) - clips[:, 0, 0, 0]) / 30
    return np.stack([np.cos(change), np.sin(change)], axis=1).astype(np.float32)


def by_appearance(clips: NDArray[np.uint8]) -> Rows:
    """Embeds the first frame alone."""
    level = clips[:, 0, 0, 0] / 60
    return np.stack([np.cos(level), np.sin(level)], axis=1).astype(np.float32)


def test_motion_separates_and_appearance_is_at_chance(material: Material) -> None:
    protocol = Protocol(frames=10, enrol=3, probe=2, targets=2)
    found = embed_material(material, pace_and_face, protocol, {"motion": by_motion, "appearance": by_appearance})
    assert {row.driver for row in found["motion"]} == {0, 1, 2, 3, 4, 6}  # "short" has a single window
    motion = accuracy(window_trials(found["motion"], cosine), rounds=20)
    appearance = accuracy(window_trials(found["appearance"], cosine), rounds=20)
    assert motion.area.value == 1.0
    assert motion.equal_error.value == 0.0
    assert appearance.area.value == 0.5
    assert motion.drivers == 6
    assert motion.trials == 2 * (6 * 3) * (6 * 2)


def test_only_the_same_target_is_compared(material: Material) -> None:
    found = embed_material(material, pace_and_face, Protocol(10, 2, 2, targets=3), {"all": by_motion})["all"]
    trials = window_trials(found, cosine)
    assert set(trials.target.tolist()) == {0, 1, 2}
    assert len(trials.scores) == 3 * (6 * 2) ** 2
    assert len(pooled_trials(found, cosine).scores) == 3 * 6**2
    assert len(template_trials(found, cosine).scores) == 3 * 6 * 12


def test_calls_pair_two_recordings_of_each_driver_on_one_face(monkeypatch: pytest.MonkeyPatch) -> None:
    def still(recordings: Sequence[Recording], processes: int) -> Iterator[NDArray[np.uint8]]:
        for recording in recordings:
            frames = round(recording.seconds * 30)
            yield np.full((frames, 8, 8), 10 * recording.driver + recording.take, np.uint8)

    monkeypatch.setattr("training.evaluate.crops_of", still)
    protocol = CallProtocol("val", 2, 3, first=4, frames=10, enrol_seconds=1.2, probe_seconds=0.7)
    rows = embed_calls(protocol, {"grey": lambda clips: clips[:, 0, 0, :1].astype(np.float32)})["grey"]
    assert [(row.driver, row.target) for row in rows] == [(4, 4), (5, 4), (6, 4), (7, 5), (8, 5), (9, 5)]
    assert [row.enrol.tolist() for row in rows[:2]] == [[[40]] * 3, [[50]] * 3]
    assert [row.probe.tolist() for row in rows[:2]] == [[[50]] * 2, [[60]] * 2]


def test_sides_come_from_different_sessions_or_disjoint_halves(material: Material) -> None:
    two = driver_windows(material.bank, 0, 10, 4, 4)
    assert two is not None
    assert not two.same_session
    assert not set(material.bank.session[two.enrol[:, 0]]) & set(material.bank.session[two.probe[:, 0]])
    one = driver_windows(material.bank, 6, 10, 9, 9)
    assert one is not None
    assert one.same_session
    assert one.enrol[:, 1].max() + 10 <= one.probe[:, 1].min()
    assert driver_windows(material.bank, 5, 10, 4, 4) is None
    assert len(driver_windows(material.bank, 0, 10, 2, 4).enrol) == 2  # type: ignore[union-attr]


def test_too_little_material_is_refused(material: Material) -> None:
    with pytest.raises(DataError, match="2 are needed"):
        embed_material(material, pace_and_face, Protocol(frames=50), {"all": by_motion})
    with pytest.raises(DataError, match="targets are wanted"):
        embed_material(material, pace_and_face, Protocol(frames=10, targets=9), {"all": by_motion})


def drivers_on_a_circle(count: int, first: int = 0, spread: float = 0.05, seed: int = 0) -> list[DriverEmbeddings]:
    random = np.random.default_rng(seed)
    rows = []
    for driver in range(first, first + count):
        centre = np.random.default_rng(1000 + driver).standard_normal(8)
        windows = centre + spread * random.standard_normal((8, 8)) * np.linalg.norm(centre)
        unit = (windows / np.linalg.norm(windows, axis=1, keepdims=True)).astype(np.float32)
        rows.append(DriverEmbeddings(driver, 0, unit[:5], unit[5:]))
    return rows


def test_filmed_people_join_the_cohort_as_blends_that_no_trial_is_without() -> None:
    filmed = [one.enrol for one in drivers_on_a_circle(5, first=90)]
    rendered = build_cohort(drivers_on_a_circle(6, first=50), [])
    cohort = build_cohort(drivers_on_a_circle(6, first=50), [], filmed)
    assert cohort.rows.shape == (6 + 2 * 5, 8)
    np.testing.assert_array_equal(cohort.rows[:6], rendered.rows)
    assert (cohort.parents[6:] == FILMED).all()
    assert len(cohort.without([0, 1])) == 16
    likeness = cohort.rows[6:] @ np.stack([mean_embedding(windows) for windows in filmed]).T
    assert likeness.max() < 0.999, "a row is somebody's template"
    assert len(build_cohort(drivers_on_a_circle(6, first=50), [], filmed[:1]).rows) == 6


def test_the_cohort_blends_real_people_and_remembers_whom() -> None:
    strangers, real = drivers_on_a_circle(6, first=50), drivers_on_a_circle(4)
    cohort = build_cohort(strangers, real)
    assert cohort.rows.shape == (6 + 4 * 4, 8)
    np.testing.assert_allclose(np.linalg.norm(cohort.rows, axis=1), 1, atol=1e-5)
    assert (cohort.parents[:6] == -1).all()
    assert all(one != other for one, other in cohort.parents[6:])
    left = cohort.without([0, 1])
    assert len(left) == 6 + int((~np.isin(cohort.parents[6:], [0, 1]).any(axis=1)).sum())
    for one in real:  # nobody's own template travels
        assert float((cohort.rows @ one.enrol.mean(0)).max()) < 0.99


def test_real_pairs_are_scored_without_their_own_cohort_rows() -> None:
    real = drivers_on_a_circle(4)
    cohort = build_cohort(drivers_on_a_circle(6, first=50), real)
    trials = real_trials(real, cohort)
    assert len(trials.scores) == 4 * 4 * 3
    pair = (trials.template_driver == 1) & (trials.probe_driver == 2)
    template = real[1].enrol.mean(0)
    expected = comparison_scores((template / np.linalg.norm(template))[None], real[2].probe, cohort.without([1, 2]))
    np.testing.assert_allclose(trials.scores[pair], expected[0], rtol=1e-3, atol=1e-3)


def test_calibration_weighs_kinds_alike_and_separates() -> None:
    cohort = Cohort(np.concatenate([one.enrol for one in drivers_on_a_circle(12, first=80)]), np.full((60, 2), -1))
    many = procedural_trials(drivers_on_a_circle(20, spread=0.3), cohort)
    few = procedural_trials(drivers_on_a_circle(5, first=30, spread=0.3), cohort)
    fitted = calibrate_on([many, few])
    assert fitted.slope > 0
    assert fitted.cost_bits < 0.6
    assert fitted.llr(few.scores[few.genuine]).mean() > 0 > fitted.llr(few.scores[~few.genuine]).mean()


def test_shuffling_leaves_static_alone_and_changes_motion() -> None:
    torch.manual_seed(0)
    clips = np.random.default_rng(0).integers(0, 256, (2, 8, 128, 128)).astype(np.uint8)
    still = np.repeat(clips[:, :1], 8, axis=1)
    static, moving = through_network(StaticNet()), through_network(StreamingFeatDiff())
    np.testing.assert_allclose(shuffled_in_time(static)(still), static(still), atol=1e-5)
    assert np.abs(shuffled_in_time(moving)(clips) - moving(clips)).max() > 1e-4
