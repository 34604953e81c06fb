"""One frame at a time gives what the whole window gives at once, whatever breaks, resets and neighbours there are."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from engines.model_folder import BACKBONE_FILE, EMBEDDING_FILE, HEAD_FILE
from engines.optical_flow import FlowHistory
from engines.protocol import Engine
from engines.registry import load_engine
from engines.slot_state import TEMPORAL_MARGIN

if TYPE_CHECKING:
    from training.models.streaming import StreamingFeatDiff

COSINE = 0.9999
TOLERANCE = 2e-4
SLOTS = 3

Clip = NDArray[np.uint8]


@dataclass
class Stream:
    """What one slot was given since it was last empty."""

    frames: list[Clip] = field(default_factory=list)
    continues: list[bool] = field(default_factory=list)

    def window(self, length: int) -> tuple[Clip, NDArray[np.bool_]]:
        return np.stack(self.frames[-length:]), np.array(self.continues[-length:])


def torch_offline(
    model: StreamingFeatDiff, clip: Clip, continues: NDArray[np.bool_]
) -> tuple[NDArray[np.float32], float]:
    """Embedding and valid fraction of a window, by the trained form of the network."""
    import torch

    positions = model.config.window_frames - 5
    if len(clip) < 6:
        return np.zeros(model.config.embedding_size, np.float32), 0.0
    with torch.no_grad():
        frames, flags = torch.from_numpy(clip)[None], torch.from_numpy(continues)[None]
        seen = model.embed_positions(frames, flags)
        embedding = model.embedding(seen.moments())[0].numpy()
    valid = int(seen.valid.sum())
    return (embedding if valid else np.zeros_like(embedding)), valid / positions


def assert_same(result: NDArray[np.float32], fraction: np.float32, expected: NDArray[np.float32], share: float) -> None:
    assert fraction == pytest.approx(share, abs=1e-6)
    np.testing.assert_allclose(result, expected, atol=TOLERANCE)
    if share > 0:
        assert float(result @ expected) >= COSINE


def test_every_step_of_a_long_clip_equals_its_window(
    full_precision_engine: Engine, random_model: StreamingFeatDiff, moving_clip: Clip
) -> None:
    full_precision_engine.open(1)
    continues = np.ones(len(moving_clip), np.bool_)
    continues[[0, 30, 33, 70]] = False
    window = full_precision_engine.spec.window_frames
    for t, frame in enumerate(moving_clip):
        result = full_precision_engine.step(np.zeros(1, np.int32), frame[None], continues[t : t + 1])
        if t % 7 == 0:
            first = max(0, t + 1 - window)
            expected = torch_offline(random_model, moving_clip[first : t + 1], continues[first : t + 1])
            assert_same(result.embeddings[0], result.valid_fraction[0], *expected)


@dataclass(frozen=True)
class Tick:
    """A frame for each of `slots`, in this order, after resetting `reset`; a break before those of `breaks`."""

    slots: tuple[int, ...]
    breaks: frozenset[int]
    reset: int | None


@st.composite
def schedules(draw: st.DrawFn) -> list[Tick]:
    """Ticks with frames for most slots, and now and then a break or a reset: windows fill up and go round."""
    order = tuple(draw(st.permutations(range(SLOTS))))
    length = draw(st.integers(6, 40))
    rare = {tick: draw(st.integers(0, SLOTS - 1)) for tick in draw(st.sets(st.integers(0, 39), max_size=3))}
    resets = {tick: draw(st.integers(0, SLOTS - 1)) for tick in draw(st.sets(st.integers(0, 39), max_size=2))}
    absent = {tick: draw(st.integers(0, SLOTS - 1)) for tick in draw(st.sets(st.integers(0, 39), max_size=12))}
    return [
        Tick(
            slots=tuple(slot for slot in order if slot != absent.get(tick)),
            breaks=frozenset({rare[tick]} if tick in rare else ()),
            reset=resets.get(tick),
        )
        for tick in range(length)
    ]


@given(schedule=schedules(), offset=st.integers(0, 50))
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_interleaved_streams_equal_their_windows(
    schedule: list[Tick],
    offset: int,
    full_precision_engine: Engine,
    random_model: StreamingFeatDiff,
    moving_clip: Clip,
) -> None:
    full_precision_engine.open(SLOTS)
    streams = [Stream() for _ in range(SLOTS)]
    last: dict[int, tuple[NDArray[np.float32], np.float32]] = {}
    for number, tick in enumerate(schedule):
        if tick.reset is not None:
            full_precision_engine.reset(tick.reset)
            streams[tick.reset] = Stream()
            last.pop(tick.reset, None)
        frames = np.stack([moving_clip[(offset + number * (slot + 1)) % len(moving_clip)] for slot in tick.slots])
        continues = np.array([slot not in tick.breaks for slot in tick.slots])
        result = full_precision_engine.step(np.array(tick.slots, np.int32), frames, continues)
        for row, slot in enumerate(tick.slots):
            streams[slot].frames.append(frames[row])
            streams[slot].continues.append(bool(continues[row]))
            last[slot] = result.embeddings[row], result.valid_fraction[row]
    for slot, (embedding, fraction) in last.items():
        clip, flags = streams[slot].window(full_precision_engine.spec.window_frames)
        assert_same(embedding, fraction, *torch_offline(random_model, clip, flags))


def test_graphs_run_over_a_whole_window_give_what_the_engine_streams(
    any_engine_folder: Path, moving_clip: Clip
) -> None:
    """The same for an engine whose weights are only known as graphs, as the shipped one's are."""
    engine = load_engine(str(any_engine_folder))
    engine.open(2)
    spec = engine.spec
    frames = moving_clip[: spec.window_frames + 9]
    slots = np.arange(2, dtype=np.int32)
    for t in range(len(frames)):
        pair = np.stack([frames[t], frames[len(frames) - 1 - t]])
        result = engine.step(slots, pair, np.ones(2, np.bool_))
    window = frames[-spec.window_frames :]
    assert result.valid_fraction.tolist() == [1, 1]
    assert float(result.embeddings[0] @ graph_offline(any_engine_folder, window)) >= COSINE
    backwards = frames[::-1][-spec.window_frames :]
    assert float(result.embeddings[1] @ graph_offline(any_engine_folder, backwards)) >= COSINE


def graph_offline(folder: Path, window: Clip) -> NDArray[np.float32]:
    """The embedding of a window without breaks, straight from the graphs and without any state."""
    backbone, head, embed = (
        onnxruntime.InferenceSession(str(folder / file), providers=["CPUExecutionProvider"])
        for file in (BACKBONE_FILE, HEAD_FILE, EMBEDDING_FILE)
    )
    (maps,) = backbone.run(None, {"frames": window})
    differences = maps[1:] - maps[:-1]
    triples = np.stack([differences[i : i + 3] for i in range(len(differences) - 2)])
    nothing = np.zeros((len(triples), 2, 64, 16, 8), np.float32)
    slices, _ = head.run(None, {"differences": triples, "earlier_slices": nothing})
    earlier = np.stack([slices[i : i + 2] for i in range(len(slices) - 2)])
    _, pooled = head.run(None, {"differences": triples[2:], "earlier_slices": earlier})
    history = FlowHistory(1)
    flow = [history.push_frame(0, frame, True) for frame in window][TEMPORAL_MARGIN:]
    positions = np.concatenate([pooled, flow], axis=1)
    moments = np.concatenate([positions.mean(axis=0), positions.var(axis=0)])[None]
    (embedding,) = embed.run(None, {"moments": moments})
    row: NDArray[np.float32] = embedding[0]
    return row
