"""The kernels, run on the host, keep of each stream what the CPU engine keeps of it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from engines.slot_state import POOLED_SIZE, POSITION_SIZE, TEMPORAL_MARGIN
from tests.engines.kernels.host_device import HostDevice
from tests.engines.kernels.streams import (
    Frames,
    KernelStreams,
    ReferenceStreams,
    Step,
    assert_agree,
    random_frames,
    run_both,
)


@pytest.mark.parametrize(("slots", "window", "steps", "padding"), [(1, 1, 12, 0), (1, 7, 30, 1), (5, 3, 30, 2)])
def test_random_sequences_agree(host_device: HostDevice, slots: int, window: int, steps: int, padding: int) -> None:
    generator = np.random.default_rng([slots, window])
    counted = 0.0
    for found, expected in run_both(host_device, generator, slots=slots, window=window, steps=steps, padding=padding):
        assert_agree(found, expected)
        counted = max(counted, float(expected.valid_fraction.max()))
    assert counted > 0


def test_first_frame_never_continues_and_has_no_motion(host_device: HostDevice) -> None:
    streams = KernelStreams(host_device, 2, 3)
    frames = random_frames(np.random.default_rng(0), 2, breaks=0, everyone=True)
    assert frames.continues.all()
    step = streams.step(frames)
    for part in (step.differences, step.energy, step.earlier, step.flow, step.moments, step.valid_fraction):
        assert not part.any()


def test_positions_count_from_the_frame_whose_margin_lies_behind_the_break(host_device: HostDevice) -> None:
    streams, generator = KernelStreams(host_device, 1, 4), np.random.default_rng(1)
    fractions = []
    for number in range(22):
        frames = dataclasses.replace(random_frames(generator, 1, everyone=True), continues=np.array([number != 11]))
        fractions.append(float(streams.step(frames).valid_fraction[0]) * 4)
    start = [0] * TEMPORAL_MARGIN
    assert fractions == [*start, 1, 2, 3, 4, 4, 4, 3, 2, 1, 0, 0, 1, 2, 3, 4, 4, 4]


@pytest.mark.parametrize(
    ("part", "index", "value"),
    # Both halves of a word, both values of a pair.
    [
        ("maps", 77, np.nan),
        ("maps", 78, -np.inf),
        ("slices", 78, np.inf),
        ("pooled", 77, np.nan),
        ("pooled", 78, np.inf),
    ],
)
def test_a_value_that_is_not_finite_stays_in_its_stream_and_leaves_it(
    host_device: HostDevice, part: str, index: int, value: float
) -> None:
    """One stream is poisoned at one frame: the other is the same to the bit, and it itself is later."""
    window, struck, steps = 3, 8, 8 + TEMPORAL_MARGIN + 1 + 3
    clean, poisoned = KernelStreams(host_device, 2, window), KernelStreams(host_device, 2, window)
    generator = np.random.default_rng(2)
    for number in range(steps):
        frames = random_frames(generator, 2, breaks=0, everyone=True)
        other = int(np.flatnonzero(frames.slots == 1)[0])
        expected = clean.step(frames)
        if number == struck:
            getattr(frames, part)[1 - other].reshape(-1)[index] = value
        found = poisoned.step(frames)
        np.testing.assert_array_equal(found.differences[other], expected.differences[other])
        np.testing.assert_array_equal(found.earlier[other], expected.earlier[other])
        np.testing.assert_array_equal(found.moments[other], expected.moments[other])
        assert found.valid_fraction[other] == expected.valid_fraction[other]
        assert np.isfinite(found.moments).all()
        if number == struck:
            assert found.valid_fraction[1 - other] < expected.valid_fraction[1 - other]
    np.testing.assert_allclose(found.moments, expected.moments, rtol=1e-6)
    np.testing.assert_array_equal(found.valid_fraction, np.ones(2, np.float32))


def test_a_difference_too_large_for_a_half_ends_the_run(host_device: HostDevice) -> None:
    streams, reference = KernelStreams(host_device, 1, 2), ReferenceStreams(1, 2)
    generator = np.random.default_rng(3)
    for number in range(16):
        frames = random_frames(generator, 1, breaks=0, everyone=True)
        if number in (8, 9):
            frames.maps[0, 5, 5, 5] = 60000 if number == 8 else -60000
        step = streams.step(frames)
        if number == 9:
            assert np.isinf(step.differences[0, -1, 5, 5, 5])
        assert_agree(step, reference.step(frames, step.flow))


def test_sums_do_not_drift_after_large_values_have_left(host_device: HostDevice) -> None:
    """As for the CPU's window: what 1e7 leaves behind by rounding is gone a lap later."""
    window = 5
    streams, generator = KernelStreams(host_device, 1, window), np.random.default_rng(4)
    kept: list[np.ndarray[tuple[int, ...], np.dtype[np.float32]]] = []
    for number in range(30):
        frames = random_frames(generator, 1, breaks=0, everyone=True)
        frames.pooled[:] = generator.random(POOLED_SIZE) * (1e7 if number % 3 == 0 and number < 21 else 1)
        step = streams.step(frames)
        kept = [*kept, frames.pooled[0]][-window:]
    means, variances = step.moments[0].reshape(2, POSITION_SIZE)[:, :POOLED_SIZE]
    np.testing.assert_allclose(means, np.mean(kept, axis=0, dtype=np.float64), rtol=1e-6)
    np.testing.assert_allclose(variances, np.var(kept, axis=0, dtype=np.float64), rtol=1e-6)


def test_rows_may_come_in_any_order(host_device: HostDevice) -> None:
    generator = np.random.default_rng(5)
    straight, turned = KernelStreams(host_device, 4, 3), KernelStreams(host_device, 4, 3)
    for _ in range(5):
        frames = random_frames(generator, 4, everyone=True)
        order = generator.permutation(4)
        first, second = straight.step(frames), turned.step(_rows(frames, order))
        for field in dataclasses.fields(Step):
            np.testing.assert_array_equal(getattr(first, field.name)[order], getattr(second, field.name))


def _rows(frames: Frames, order: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> Frames:
    return Frames(*(getattr(frames, field.name)[order] for field in dataclasses.fields(Frames)))
