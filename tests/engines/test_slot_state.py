"""The window's running sum stays exact however long a call lasts."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from engines.slot_state import POSITION_SIZE, TAPS, NewestRows, PositionWindow

SLOT = np.zeros(1, np.int32)


def test_sum_does_not_drift_after_large_values_have_left() -> None:
    """A float32 running sum would keep an error of about 1 here: 1e7 enters and leaves over and over."""
    window = PositionWindow(1, positions=7)
    generator = np.random.default_rng(0)
    kept: list[NDArray[np.float32]] = []
    for step in range(5000):
        large = np.float32(1e7) if step % 5 == 0 and step < 4990 else np.float32(1)
        value = (generator.random((1, POSITION_SIZE)) * large).astype(np.float32)
        window.push(SLOT, value, np.ones(1, np.bool_))
        kept = [*kept, value[0]][-7:]
    moments, fraction = window.moments(SLOT)
    assert fraction[0] == 1
    np.testing.assert_allclose(moments[0, :POSITION_SIZE], np.mean(kept, axis=0, dtype=np.float64), rtol=1e-6)
    np.testing.assert_allclose(moments[0, POSITION_SIZE:], np.var(kept, axis=0, dtype=np.float64), rtol=1e-6)


@given(st.lists(st.booleans(), min_size=1, max_size=40), st.integers(1, 9))
@settings(max_examples=60, deadline=None)
def test_mean_is_over_the_positions_that_count(valid: list[bool], positions: int) -> None:
    window = PositionWindow(1, positions)
    for step, counts in enumerate(valid):
        window.push(SLOT, np.full((1, POSITION_SIZE), step + 1, np.float32), np.array([counts]))
    counted = [step + 1 for step, counts in list(enumerate(valid))[-positions:] if counts]
    moments, fraction = window.moments(SLOT)
    assert fraction[0] == np.float32(len(counted) / positions)
    np.testing.assert_allclose(moments[0, :POSITION_SIZE], np.mean(counted) if counted else 0, rtol=1e-6)
    np.testing.assert_allclose(moments[0, POSITION_SIZE:], np.var(counted) if counted else 0, rtol=1e-6, atol=1e-9)


@given(st.lists(st.integers(0, 2), min_size=1, max_size=60))
@settings(max_examples=60, deadline=None)
def test_newest_rows_lie_in_time_order_whatever_the_turn_of_the_slots(turns: list[int]) -> None:
    rows = NewestRows(3, (2,))
    written: dict[int, list[float]] = {slot: [0.0] * TAPS for slot in range(3)}
    for number, slot in enumerate(turns, start=1):
        rows.append(slot)[:] = number
        written[slot].append(number)
        newest = rows.newest(slot, TAPS)
        assert newest[:, 0].tolist() == written[slot][-TAPS:]
        assert newest.flags.c_contiguous
