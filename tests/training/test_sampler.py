"""What batches promise: same face, different drivers; positives that share nothing but the driver; exact repeats."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.data.bank import MotionBank, MotionClip, build_bank, check_disjoint
from training.data.sampler import CrossedSampler
from training.drivers.landmarks import LANDMARKS
from training.drivers.motion import DriverMotion
from training.errors import DataError


def clip(driver: str, session: str, frames: int) -> MotionClip:
    motion = DriverMotion(np.zeros((frames, LANDMARKS, 2), np.float32), np.zeros((frames, 4), np.float32), 30.0)
    return MotionClip(driver, session, f"{driver}/{session}", motion)


@pytest.fixture(scope="module")
def bank() -> MotionBank:
    people = [clip(f"person_{p}", f"s{s}", 37) for p in range(6) for s in range(5)]
    single = [clip("one_clip", "s0", 300)]
    seeds = [clip(f"seed_{p}", f"take{t}", 200) for p in range(30) for t in range(2)]
    return build_bank(people + single + seeds)


def sampler(bank: MotionBank, seed: int = 0) -> CrossedSampler:
    groups = (tuple(range(7)), tuple(range(7, 37)))
    return CrossedSampler(bank, groups, tuple(range(3, 11)), (32, 64), 4, 2048, seed)


@settings(max_examples=60, deadline=None)
@given(step=st.integers(0, 10_000))
def test_every_driver_drives_every_target(bank: MotionBank, step: int) -> None:
    plan = sampler(bank).plan(step)
    drivers, targets = np.unique(plan.driver), np.unique(plan.target)
    assert len(targets) == 4
    assert set(targets) <= set(range(3, 11))
    assert len(drivers) * len(targets) == len(plan.driver)
    assert len(set(zip(plan.driver.tolist(), plan.target.tolist(), strict=True))) == len(plan.driver)
    assert len(plan.driver) * plan.frames <= 2048
    assert (bank.driver[plan.clip] == plan.driver).all()
    assert (plan.offset >= 0).all()
    assert (plan.offset + plan.frames <= bank.lengths[plan.clip]).all()


def test_both_groups_take_part_and_short_clips_stay_out_of_long_windows(bank: MotionBank) -> None:
    plans = [sampler(bank).plan(step) for step in range(40)]
    for plan in plans:
        people = {bank.drivers[number] for number in plan.driver if number < 7}
        seeds = {number for number in plan.driver if number >= 7}
        assert seeds
        assert people == {"one_clip"} if plan.frames == 64 else len(people) >= 6
    assert {plan.frames for plan in plans} == {32, 64}


def test_positives_come_from_different_sessions_while_there_are_any(bank: MotionBank) -> None:
    plan = next(plan for plan in map(sampler(bank).plan, range(50)) if plan.frames == 32 and (plan.driver < 6).any())
    for driver in np.unique(plan.driver[plan.driver < 6]):
        assert len(np.unique(bank.session[plan.clip[plan.driver == driver]])) == 4


def test_windows_of_one_clip_are_spread_over_it(bank: MotionBank) -> None:
    plan = next(plan for plan in map(sampler(bank).plan, range(50)) if plan.frames == 32 and (plan.driver == 6).any())
    offsets = np.sort(plan.offset[plan.driver == 6])
    quarters = (offsets / ((300 - 32 + 1) / 4)).astype(int)
    assert quarters.tolist() == [0, 1, 2, 3]


def test_a_plan_depends_on_seed_and_step_alone(bank: MotionBank) -> None:
    first, again, other = sampler(bank).plan(7), sampler(bank).plan(7), sampler(bank, seed=1).plan(7)
    np.testing.assert_array_equal(first.offset, again.offset)
    np.testing.assert_array_equal(first.target, again.target)
    assert first.frames != other.frames or not np.array_equal(first.offset, other.offset)


def test_too_little_material_is_refused(bank: MotionBank) -> None:
    alone = CrossedSampler(bank, ((6,),), (0, 1, 2), (64,), 4, 2048, 0)
    with pytest.raises(DataError, match="2 drivers and 2 targets"):
        alone.plan(0)
    one_face = CrossedSampler(bank, (tuple(range(7)),), (0,), (32,), 4, 2048, 0)
    with pytest.raises(DataError, match="2 drivers and 2 targets"):
        one_face.plan(0)
    with pytest.raises(DataError, match="no motion clips"):
        build_bank([])
    with pytest.raises(DataError, match="over the end"):
        bank.windows(np.array([0]), np.array([20]), 32)


def test_shared_names_between_splits_are_refused() -> None:
    check_disjoint(["a", "b"], ["c"], "drivers")
    with pytest.raises(DataError, match="drivers in both training and evaluation: b"):
        check_disjoint(["a", "b"], ["b", "c"], "drivers")
