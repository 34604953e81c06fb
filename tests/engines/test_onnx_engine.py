"""The CPU engine's contract: batching, breaks, resets, refusals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from engines.errors import EngineInputError
from engines.protocol import Engine, StepResult

Clip = NDArray[np.uint8]


def play(engine: Engine, slot: int, clip: Clip, breaks: frozenset[int] = frozenset()) -> list[StepResult]:
    slots = np.array([slot], np.int32)
    return [engine.step(slots, frame[None], np.array([t not in breaks])) for t, frame in enumerate(clip)]


def test_valid_fraction_grows_from_the_sixth_frame_to_one(random_engine: Engine, moving_clip: Clip) -> None:
    random_engine.open(1)
    shares = [float(result.valid_fraction[0]) for result in play(random_engine, 0, moving_clip[:20])]
    positions = random_engine.spec.window_positions
    assert shares == pytest.approx([min(max(t - 4, 0), positions) / positions for t in range(20)])


def test_embeddings_are_zero_until_a_position_counts_and_unit_length_after(
    random_engine: Engine, moving_clip: Clip
) -> None:
    random_engine.open(1)
    lengths = [float(np.linalg.norm(r.embeddings[0])) for r in play(random_engine, 0, moving_clip[:9])]
    assert lengths == pytest.approx([0, 0, 0, 0, 0, 1, 1, 1, 1], abs=1e-5)


def test_a_break_takes_five_positions_out(random_engine: Engine, moving_clip: Clip) -> None:
    random_engine.open(1)
    window, positions = random_engine.spec.window_frames, random_engine.spec.window_positions
    results = play(random_engine, 0, moving_clip[: window + 8], breaks=frozenset({window}))
    assert results[window - 1].valid_fraction[0] == 1
    assert [float(r.valid_fraction[0]) for r in results[window:]] == pytest.approx(
        [(positions - lost) / positions for lost in (1, 2, 3, 4, 5, 5, 5, 5)]
    )


def test_what_lies_before_a_break_does_not_reach_over_it(random_engine: Engine, moving_clip: Clip) -> None:
    """Once the window has left the break behind, the embedding is that of a stream which began there."""
    window = random_engine.spec.window_frames
    random_engine.open(2)
    joined = np.concatenate([255 - moving_clip[60:75], moving_clip[: window + 6]])
    broken = play(random_engine, 0, joined, breaks=frozenset({15}))[-1]
    fresh = play(random_engine, 1, moving_clip[: window + 6])[-1]
    np.testing.assert_array_equal(broken.valid_fraction, fresh.valid_fraction)
    np.testing.assert_allclose(broken.embeddings, fresh.embeddings, atol=1e-6)


def test_first_frame_never_continues_even_after_a_reset(random_engine: Engine, moving_clip: Clip) -> None:
    random_engine.open(2)
    play(random_engine, 0, moving_clip[40:70])
    random_engine.reset(0)
    again = play(random_engine, 0, moving_clip[:12])
    fresh = play(random_engine, 1, moving_clip[:12])
    for left, right in zip(again, fresh, strict=True):
        np.testing.assert_array_equal(left.embeddings, right.embeddings)
        np.testing.assert_array_equal(left.valid_fraction, right.valid_fraction)


def test_still_picture_has_an_embedding_of_no_motion(random_engine: Engine, moving_clip: Clip) -> None:
    """Two different stills give the same embedding: all differences are zero, so appearance cannot be seen."""
    random_engine.open(2)
    one = play(random_engine, 0, np.repeat(moving_clip[:1], 10, axis=0))[-1]
    other = play(random_engine, 1, np.repeat(255 - moving_clip[50:51], 10, axis=0))[-1]
    np.testing.assert_allclose(one.embeddings, other.embeddings, atol=1e-5)


@given(order=st.permutations(range(5)), offsets=st.lists(st.integers(0, 80), min_size=5, max_size=5))
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_batching_changes_nothing(
    order: list[int], offsets: list[int], random_engine: Engine, moving_clip: Clip
) -> None:
    clips = [np.roll(moving_clip, -offset, axis=0)[:9] for offset in offsets]
    random_engine.open(5)
    alone = [play(random_engine, slot, clips[slot])[-1].embeddings[0] for slot in range(5)]
    random_engine.open(5)
    slots = np.array(order, np.int32)
    for t in range(9):
        together = random_engine.step(slots, np.stack([clips[slot][t] for slot in order]), np.ones(5, np.bool_))
    for row, slot in enumerate(order):
        np.testing.assert_allclose(together.embeddings[row], alone[slot], atol=1e-5)


def test_step_without_streams_is_empty(random_engine: Engine) -> None:
    random_engine.open(1)
    nothing = random_engine.step(np.empty(0, np.int32), np.empty((0, 128, 128), np.uint8), np.empty(0, np.bool_))
    assert nothing.embeddings.shape == (0, random_engine.spec.embedding_size)
    assert nothing.valid_fraction.shape == (0,)


SLOTS = np.array([0, 1], np.int32)
FRAMES = np.zeros((2, 128, 128), np.uint8)
CONTINUES = np.ones(2, np.bool_)


@pytest.mark.parametrize(
    ("slots", "frames", "continues", "says"),
    [
        (np.array([0, 0], np.int32), FRAMES, CONTINUES, "twice"),
        (np.array([0, 2], np.int32), FRAMES, CONTINUES, "outside 0..1"),
        (np.array([-1, 0], np.int32), FRAMES, CONTINUES, "outside 0..1"),
        (SLOTS.astype(np.int64), FRAMES, CONTINUES, "slots must be int32"),
        (SLOTS[None], FRAMES, CONTINUES, "one row"),
        (SLOTS, FRAMES.astype(np.float32), CONTINUES, "frames must be uint8"),
        (SLOTS, FRAMES[:, :64], CONTINUES, "128, 128"),
        (SLOTS, FRAMES[:1], CONTINUES, "frames must be"),
        (SLOTS, FRAMES, CONTINUES[:1], "continues must be bool"),
        (SLOTS, FRAMES, CONTINUES.astype(np.uint8), "continues must be bool"),
    ],
)
def test_arrays_that_do_not_fit_are_refused_and_change_nothing(
    random_engine: Engine,
    moving_clip: Clip,
    slots: NDArray[np.int32],
    frames: NDArray[np.uint8],
    continues: NDArray[np.bool_],
    says: str,
) -> None:
    random_engine.open(2)
    play(random_engine, 0, moving_clip[:6])
    with pytest.raises(EngineInputError, match=says):
        random_engine.step(slots, frames, continues)
    after = play(random_engine, 0, moving_clip[6:9])[-1].embeddings
    undisturbed = play(random_engine, 1, moving_clip[:9])[-1].embeddings
    np.testing.assert_array_equal(after, undisturbed)


def test_engine_that_is_not_open_says_so(random_engine: Engine) -> None:
    with pytest.raises(EngineInputError, match=r"open\(slots\)"):
        random_engine.step(SLOTS, FRAMES, CONTINUES)
    with pytest.raises(EngineInputError, match="at least 1"):
        random_engine.open(0)
    random_engine.open(2)
    with pytest.raises(EngineInputError, match="slot 2 does not exist"):
        random_engine.reset(2)
    random_engine.close()
    random_engine.close()
    with pytest.raises(EngineInputError, match="not open"):
        random_engine.step(SLOTS, FRAMES, CONTINUES)
