"""The chain of backends: what is in use, why nothing faster is, and what a change in mid-call leaves behind."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from engines.errors import BackendFailedError, BackendUnavailableError, EngineInputError, ModelFolderError
from engines.fallback import Backend, FallbackEngine
from engines.model_folder import ModelFolder, read_model_folder
from engines.onnx_engine import OnnxEngine
from engines.protocol import Engine, StepResult
from tests.engines.dying_engine import LOST, DyingEngine

Clip = NDArray[np.uint8]
Load = Callable[[], Engine]


@pytest.fixture(scope="module")
def model(random_engine_folder: Path) -> ModelFolder:
    return read_model_folder(random_engine_folder)


@pytest.fixture(scope="module")
def onnx(model: ModelFolder) -> Load:
    return lambda: OnnxEngine(model)


def absent(reason: str) -> Load:
    def load() -> Engine:
        raise BackendUnavailableError(reason)

    return load


def step(engine: Engine, frames: Clip, *, continues: bool = True) -> StepResult:
    """One frame for each slot from 0 on."""
    count = len(frames)
    return engine.step(np.arange(count, dtype=np.int32), frames, np.full(count, continues))


def assert_same(left: StepResult, right: StepResult) -> None:
    np.testing.assert_array_equal(left.embeddings, right.embeddings)
    np.testing.assert_array_equal(left.valid_fraction, right.valid_fraction)


def test_the_first_backend_that_works_is_in_use_and_the_others_reasons_are_told(onnx: Load) -> None:
    chain = [Backend("fast", absent("no driver")), Backend("quick", absent("too old")), Backend("onnx", onnx)]
    status = FallbackEngine(chain).status
    assert status.backend == "onnx"
    assert status.fallback_reason == "fast: no driver, quick: too old"


def test_nothing_faster_means_no_reason(onnx: Load) -> None:
    engine = FallbackEngine([Backend("onnx", onnx), Backend("slow", absent("never asked"))])
    assert engine.status == onnx().status


def test_where_no_backend_works_all_reasons_are_told() -> None:
    with pytest.raises(BackendUnavailableError, match=r"^fast: no driver, quick: too old$"):
        FallbackEngine([Backend("fast", absent("no driver")), Backend("quick", absent("too old"))])


def test_a_folder_that_one_backend_cannot_take_may_suit_the_next(onnx: Load) -> None:
    """Weights too large for half precision, say. What nobody can take is the folder's fault."""

    def load() -> Engine:
        raise ModelFolderError("too large for half")

    engine = FallbackEngine([Backend("fast", load), Backend("onnx", onnx)])
    assert engine.status.fallback_reason == "fast: ModelFolderError: too large for half"
    with pytest.raises(ModelFolderError):
        FallbackEngine([Backend("fast", absent("no driver")), Backend("onnx", load)])


@pytest.mark.parametrize(
    "error", [TypeError("nullptr"), KeyError("INT64"), RuntimeError("no home directory"), OSError()]
)
def test_whatever_a_driver_or_binding_raises_is_a_reason(onnx: Load, moving_clip: Clip, error: Exception) -> None:
    def load() -> Engine:
        raise error

    engine = FallbackEngine(
        [Backend("odd", load), Backend("dying", lambda: DyingEngine(onnx())), Backend("onnx", onnx)]
    )
    engine.open(1)
    assert type(error).__name__ in str(engine.status.fallback_reason)
    odd_in_use = onnx()
    odd_in_use.step = load  # type: ignore[method-assign, assignment]
    engine = FallbackEngine([Backend("odd", lambda: odd_in_use), Backend("onnx", onnx)])
    engine.open(1)
    assert step(engine, moving_clip[:1]).embeddings.shape[0] == 1
    assert engine.status.fallback_reason is not None


def test_when_no_backend_is_left_every_step_says_so(onnx: Load, moving_clip: Clip) -> None:
    chain = [Backend("dying", lambda: DyingEngine(onnx(), steps=0)), Backend("gone", absent("no room"))]
    engine = FallbackEngine(chain)
    engine.open(1)
    for _ in range(2):
        with pytest.raises(BackendFailedError, match=r"no backend is left.*no room"):
            step(engine, moving_clip[:1])
    with pytest.raises(BackendFailedError, match="no backend is left"):
        engine.reset(0)


@given(steps=st.integers(0, 24))
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_after_a_change_every_stream_is_as_if_it_began_there(onnx: Load, moving_clip: Clip, steps: int) -> None:
    """Two streams; the first backend dies in any step. Features of the two must meet in no difference and no window."""
    first = DyingEngine(onnx(), steps=steps)
    engine = FallbackEngine([Backend("dying", lambda: first), Backend("onnx", onnx)])
    before, after = onnx(), onnx()
    for each in (engine, before, after):
        each.open(2)
    for t in range(30):
        frames = moving_clip[[t, t + 40]]
        assert_same(step(engine, frames), step(before if t < steps else after, frames))
    assert engine.status.backend == "onnx"
    assert first.closed


def test_streams_that_had_no_frame_in_the_failing_step_start_anew_as_well(onnx: Load, moving_clip: Clip) -> None:
    engine = FallbackEngine([Backend("dying", lambda: DyingEngine(onnx(), steps=9)), Backend("onnx", onnx)])
    engine.open(2)
    for t in range(9):
        step(engine, moving_clip[[t, t + 40]])
    step(engine, moving_clip[9:10])  # slot 0 only: the backend dies here
    fresh = onnx()
    fresh.open(2)
    step(fresh, moving_clip[9:10])
    for t in range(10, 20):
        assert_same(step(engine, moving_clip[[t, t + 40]]), step(fresh, moving_clip[[t, t + 40]]))


def test_a_change_is_told_in_status_and_log(onnx: Load, moving_clip: Clip, caplog: pytest.LogCaptureFixture) -> None:
    engine = FallbackEngine([Backend("dying", lambda: DyingEngine(onnx(), steps=1)), Backend("onnx", onnx)])
    engine.open(1)
    assert (engine.status.backend, engine.status.fallback_reason) == ("dying", None)
    assert engine.batching.wait_seconds > 0
    step(engine, moving_clip[:1])
    with caplog.at_level(logging.WARNING, "engines.fallback"):
        step(engine, moving_clip[1:2])
    assert (engine.status.backend, engine.status.precision) == ("onnx", "fp32, head int8")
    assert engine.status.fallback_reason == f"dying: failed in use ({LOST})"
    assert engine.batching == onnx().batching
    assert "dying failed in use (device lost); going on with onnx, all streams start anew" in caplog.text
    assert "could not be closed" in caplog.text


def test_a_chain_is_gone_through_to_its_end(onnx: Load, moving_clip: Clip) -> None:
    """Lost in the step; the next cannot be loaded; the one after has no room; the one after that breaks at once."""
    chain = [
        Backend("dying", lambda: DyingEngine(onnx(), steps=0)),
        Backend("absent", absent("no driver")),
        Backend("full", lambda: DyingEngine(onnx(), opens=0)),
        Backend("brief", lambda: DyingEngine(onnx(), steps=0)),
        Backend("onnx", onnx),
    ]
    engine, fresh = FallbackEngine(chain), onnx()
    engine.open(1)
    fresh.open(1)
    assert_same(step(engine, moving_clip[:1]), step(fresh, moving_clip[:1]))
    reason = engine.status.fallback_reason
    assert reason is not None
    assert [part.partition(":")[0] for part in reason.split(", ")] == ["dying", "absent", "full", "brief"]


def test_no_room_for_the_streams_is_a_reason_too(onnx: Load, moving_clip: Clip) -> None:
    engine = FallbackEngine([Backend("dying", lambda: DyingEngine(onnx(), opens=0)), Backend("onnx", onnx)])
    engine.open(3)
    assert engine.status.backend == "onnx"
    assert step(engine, moving_clip[:3]).embeddings.shape[0] == 3


def test_a_loss_that_shows_in_a_reset_is_one(onnx: Load, moving_clip: Clip) -> None:
    first = DyingEngine(onnx())
    engine = FallbackEngine([Backend("dying", lambda: first), Backend("onnx", onnx)])
    engine.open(1)
    step(engine, moving_clip[:1])
    first.die()
    engine.reset(0)
    assert engine.status.backend == "onnx"
    assert step(engine, moving_clip[1:2]).valid_fraction[0] == 0


def test_a_callers_mistake_changes_no_backend(onnx: Load, moving_clip: Clip) -> None:
    engine = FallbackEngine([Backend("dying", lambda: DyingEngine(onnx())), Backend("onnx", onnx)])
    with pytest.raises(EngineInputError):
        engine.open(0)
    engine.open(1)
    with pytest.raises(EngineInputError):
        step(engine, moving_clip[:2])
    with pytest.raises(EngineInputError):
        engine.reset(1)
    assert engine.status.backend == "dying"


class Stumbling(DyingEngine):
    """Fails in one step, half-way: the frames have been taken, the answer is lost."""

    def __init__(self, inner: Engine, at: int) -> None:
        super().__init__(inner)
        self._until = at

    def step(self, slots: NDArray[np.int32], frames: NDArray[np.uint8], continues: NDArray[np.bool_]) -> StepResult:
        result = super().step(slots, frames, continues)
        self._until -= 1
        if self._until == 0:
            raise BackendFailedError("out of memory")
        return result


def test_the_last_backend_stays_and_the_streams_of_its_failed_step_start_anew(onnx: Load, moving_clip: Clip) -> None:
    engine = FallbackEngine([Backend("only", lambda: Stumbling(onnx(), at=8))])
    engine.open(2)
    for t in range(7):
        step(engine, moving_clip[[t, t + 40]])
    with pytest.raises(BackendFailedError, match="out of memory"):
        step(engine, moving_clip[7:8])  # slot 0 only
    fresh, undisturbed = onnx(), onnx()
    fresh.open(1)
    undisturbed.open(2)
    for t in range(7):
        step(undisturbed, moving_clip[[t, t + 40]])
    for t in range(8, 20):
        both = step(engine, moving_clip[[t, t + 40]])
        alone = step(fresh, moving_clip[t : t + 1])
        other = undisturbed.step(np.array([1], np.int32), moving_clip[t + 40 : t + 41], np.ones(1, np.bool_))
        np.testing.assert_allclose(both.embeddings, np.concatenate([alone.embeddings, other.embeddings]), atol=1e-5)
        np.testing.assert_array_equal(both.valid_fraction, [alone.valid_fraction[0], other.valid_fraction[0]])
    assert engine.status.fallback_reason is None


def test_closing_twice_is_harmless(onnx: Load) -> None:
    engine = FallbackEngine([Backend("onnx", onnx)])
    engine.open(1)
    engine.close()
    engine.close()
    engine.open(1)
    assert engine.spec == onnx().spec
