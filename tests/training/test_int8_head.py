"""The head in 8-bit integers computes the convolutions of the full one, up to rounding."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import Tensor, nn

from engines.onnx_head import Int8Head
from engines.slot_state import TermHistory
from training.int8_head import WEIGHT_LIMIT, int8_head
from training.models.step_graphs import HeadStep, step_graphs
from training.models.streaming import StreamingFeatDiff

torch.set_num_threads(1)

Array = NDArray[Any]


@pytest.fixture
def head() -> HeadStep:
    torch.manual_seed(4)
    return step_graphs(StreamingFeatDiff()).head


def int8_positions(head: HeadStep, differences: Tensor) -> list[Array]:
    """The position after each difference of (T, 128, 16, 16), fed one by one to an empty stream as an engine does."""
    running = Int8Head(Int8Head.load(int8_head(head).SerializeToString(), threads=1), TermHistory(1))
    maps = torch.cat([torch.zeros_like(differences[:1]), differences]).cumsum(0)
    frames = maps.flatten(2).transpose(1, 2).contiguous().numpy()
    return [running.position(0, frame, number > 0).copy() for number, frame in enumerate(frames)][1:]


def full_positions(head: HeadStep, differences: Tensor) -> Tensor:
    """The positions that the full head gives for T differences, (T - 4, 512)."""
    with torch.no_grad():
        triples = torch.stack([differences[i : i + 3] for i in range(len(differences) - 2)])
        slices, _ = head(triples, torch.zeros(len(triples), 2, 64, 16, 8))
        earlier = torch.stack([slices[i : i + 2] for i in range(len(slices) - 2)])
        positions: Tensor = head(triples[2:], earlier)[1]
    return positions


def test_terms_are_exact_where_nothing_is_rounded(head: HeadStep) -> None:
    """Differences that are whole numbers over 256 steps, which nothing looks at before, weights that are whole numbers
    up to the limit."""
    head.each.weight.zero_()
    assert head.each.bias is not None
    head.each.bias.zero_()
    generator = torch.Generator().manual_seed(0)
    weight = torch.randint(-WEIGHT_LIMIT, WEIGHT_LIMIT + 1, head.first.weight.shape, generator=generator).float()
    weight[:, ::128, 0, 0] = WEIGHT_LIMIT
    head.first.weight = nn.Parameter(weight, requires_grad=False)
    difference = torch.randint(-100, 156, (1, 128, 16, 16), generator=generator).float()
    difference[0, 0, 0, :2] = torch.tensor([-100, 155])
    taps = weight.reshape(64, 3, 128, 3, 3).transpose(0, 1).flatten(0, 1)
    expected = nn.functional.conv2d(difference, taps, stride=(1, 2), padding=1)[0].flatten(1).T
    graph = Int8Head.load(int8_head(head).SerializeToString(), threads=1)
    graph.inputs[0][:] = difference[0].flatten(1).T.numpy()
    graph()
    assert head.first.bias is not None
    expected[:, 128:] += head.first.bias
    np.testing.assert_array_equal(graph.outputs[0], expected.numpy())


@pytest.mark.parametrize("size", [1e-3, 1.0, 30.0])
def test_positions_are_those_of_the_full_head_whatever_the_size_of_the_motion(head: HeadStep, size: float) -> None:
    for convolution in (head.first, head.second):
        assert convolution.bias is not None
        convolution.bias *= size
    differences = torch.randn(8, 128, 16, 16, generator=torch.Generator().manual_seed(1)) * size
    expected = full_positions(head, differences)
    found = np.stack(int8_positions(head, differences)[4:])
    error = np.linalg.norm(found - expected.numpy(), axis=1) / np.linalg.norm(expected.numpy(), axis=1)
    assert error.max() < 0.02


def test_a_still_frame_gives_the_full_heads_position(head: HeadStep) -> None:
    still = torch.zeros(5, 128, 16, 16)
    np.testing.assert_allclose(int8_positions(head, still)[-1], full_positions(head, still)[0], atol=1e-3)


def test_no_weight_is_so_large_that_a_cpu_could_saturate(head: HeadStep) -> None:
    """A column without any weight must not divide by zero."""
    head.first.weight[5] = 0
    head.first.weight[6] *= 1e6
    tensors = {tensor.name: numpy_helper.to_array(tensor) for tensor in int8_head(head).graph.initializer}
    for name in ("first", "second"):
        weight, scale = tensors[f"{name}_weight"], tensors[f"{name}_scale"]
        assert weight.dtype == np.int8
        assert np.abs(weight.astype(np.int64)).max() == WEIGHT_LIMIT
        assert np.isfinite(scale).all()
    assert not tensors["first_weight"][:, 5].any()
