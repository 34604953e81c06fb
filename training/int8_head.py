"""The head of an engine for CPUs: the same network with its two temporal convolutions in 8-bit integers.

Only the head. Its inputs are differences, whose rounding error averages out over the thousands of terms of each sum;
in the backbone the same rounding is as large as the differences of its maps (`EXPERIMENTS.md`). Nothing is calibrated:
the scale of a frame's values is taken from the frame, so a still face is rounded as finely, in its own measure, as one
that turns, and any weights will do.

A convolution over three slices in time is a sum of three. Here each difference is multiplied by all three kernels once,
when it is new; these terms are handed on, and a position takes the newest kernel's from its own frame, the middle one's
from the frame before and the oldest one's from the frame before that, whose sum comes in as `carried`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx.parser
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, numpy_helper
from torch import nn

from training.models.f5c import FEATURE_CHANNELS, MAP_SIZE
from training.models.step_graphs import HeadStep
from training.models.streaming import TEMPORAL_TAPS

WEIGHT_LIMIT = 64
"""Largest 8-bit weight. CPUs without 8-bit dot products add two products in 16 bits: 2 * 255 * 64 still fits there, so
all CPUs give the same sums."""

_KERNEL, _STRIDE = 3, 2

_GRAPH = """
<ir_version: 9, opset_import: ["": 18]>
int8_head (float[256, 128] difference, float[128, 64] carried, float[64, 32] carried_slice)
    => (float[128, 192] terms, float[64, 96] slice_terms, float[1, 512] position)
{
    each_product = MatMul(difference, each_weight)
    each_sum = Add(each_product, each_bias)
    each_again = Relu(each_sum)
    looked_at = Add(difference, each_again)
    bytes, scale, zero = DynamicQuantizeLinear(looked_at)
    outside = Expand(zero, map_border)
    bordered = Concat<axis = 0>(bytes, outside)
    seen = Gather<axis = 0>(bordered, first_nodes)
    patches = Reshape(seen, first_patches)
    products = MatMulInteger(patches, first_weight, zero)
    plain_products = Cast<to = 1>(products)
    product_scale = Mul(scale, first_scale)
    scaled = Mul(plain_products, product_scale)
    terms = Add(scaled, first_bias)
    newest = Slice(terms, first_newest_from, first_newest_to, newest_axis)
    total = Add(newest, carried)
    first_look = Relu(total)
    first_rows = Transpose<perm = [1, 0]>(first_look)
    first_map = Reshape(first_rows, first_again_map)
    first_again_conv = Conv<pads = [1, 1, 1, 1]>(first_map, first_again_weight, first_again_bias)
    first_again = Relu(first_again_conv)
    first_again_rows = Reshape(first_again, first_again_channels)
    first_second_look = Transpose<perm = [1, 0]>(first_again_rows)
    new_slice = Add(first_look, first_second_look)

    slice_bytes, slice_scale, slice_zero = DynamicQuantizeLinear(new_slice)
    slice_outside = Expand(slice_zero, slice_border)
    slice_bordered = Concat<axis = 0>(slice_bytes, slice_outside)
    slice_seen = Gather<axis = 0>(slice_bordered, second_nodes)
    slice_patches = Reshape(slice_seen, second_patches)
    slice_products = MatMulInteger(slice_patches, second_weight, slice_zero)
    plain_slice_products = Cast<to = 1>(slice_products)
    slice_product_scale = Mul(slice_scale, second_scale)
    scaled_slice = Mul(plain_slice_products, slice_product_scale)
    slice_terms = Add(scaled_slice, second_bias)
    slice_newest = Slice(slice_terms, second_newest_from, second_newest_to, newest_axis)
    slice_total = Add(slice_newest, carried_slice)
    second_look = Relu(slice_total)
    second_rows = Transpose<perm = [1, 0]>(second_look)
    second_map = Reshape(second_rows, second_again_map)
    second_again_conv = Conv<pads = [1, 1, 1, 1]>(second_map, second_again_weight, second_again_bias)
    second_again = Relu(second_again_conv)
    values = Add(second_map, second_again)
    cells = Reshape(values, pooling_cells)
    means = ReduceMean<keepdims = 0>(cells, cell_axis)
    position = Reshape(means, position_shape)
}
"""


def write_int8_head(head: HeadStep, path: Path) -> None:
    """Write the graph of one new position of one stream, for the weights of `head`."""
    path.write_bytes(int8_head(head).SerializeToString())


def int8_head(head: HeadStep) -> ModelProto:
    """What `write_int8_head` writes; inputs and outputs: `engines/models/README.md`."""
    model = onnx.parser.parse_model(_GRAPH)
    half = MAP_SIZE // 2
    first_outputs, second_outputs = head.first.out_channels, head.second.out_channels
    constants = {
        "map_border": [1, FEATURE_CHANNELS],
        "first_nodes": _nodes_seen(MAP_SIZE, MAP_SIZE),
        "first_patches": [MAP_SIZE * half, _KERNEL**2 * FEATURE_CHANNELS],
        "slice_border": [1, first_outputs],
        "second_nodes": _nodes_seen(MAP_SIZE, half),
        "second_patches": [MAP_SIZE * half // 2, _KERNEL**2 * first_outputs],
        "first_again_map": [1, first_outputs, MAP_SIZE, half],
        "first_again_channels": [first_outputs, MAP_SIZE * half],
        "second_again_map": [1, second_outputs, MAP_SIZE, half // 2],
        "pooling_cells": [1, second_outputs, 4, MAP_SIZE // 4, half // 2],
        "cell_axis": [3],
        "position_shape": [1, 4 * 4 * second_outputs],
        "newest_axis": [1],
        "first_newest_from": [2 * first_outputs],
        "first_newest_to": [3 * first_outputs],
        "second_newest_from": [2 * second_outputs],
        "second_newest_to": [3 * second_outputs],
    }
    tensors = [numpy_helper.from_array(np.asarray(value, np.int64), name) for name, value in constants.items()]
    for name, convolution in (("first", head.first), ("second", head.second)):
        tensors += _quantised(name, convolution)
    for name, residual in (("each", head.each), ("first_again", head.first_again), ("second_again", head.second_again)):
        tensors += _as_they_are(name, residual)
    model.graph.initializer.extend(tensors)
    onnx.checker.check_model(model, full_check=True)
    return model


def _quantised(name: str, convolution: nn.Conv2d) -> list[TensorProto]:
    """Weights as the right side of a product, (kernel rows, kernel columns, inputs) by (taps, outputs), a scale for
    each of its columns, and the bias, which the newest tap's columns add."""
    weight: NDArray[np.float32] = convolution.weight.detach().cpu().numpy()
    outputs = weight.shape[0]
    taps = weight.reshape(outputs, TEMPORAL_TAPS, -1, _KERNEL**2)
    matrix = taps.transpose(3, 2, 1, 0).reshape(-1, TEMPORAL_TAPS * outputs)
    scale = np.maximum(np.abs(matrix).max(axis=0), np.finfo(np.float32).tiny) / WEIGHT_LIMIT
    rounded = np.rint(matrix / scale).astype(np.int8)
    bias = np.zeros(TEMPORAL_TAPS * outputs, np.float32)
    if convolution.bias is not None:
        bias[-outputs:] = convolution.bias.detach().cpu().numpy()
    values = {f"{name}_weight": rounded, f"{name}_scale": scale.astype(np.float32), f"{name}_bias": bias}
    return [numpy_helper.from_array(value, key) for key, value in values.items()]


def _as_they_are(name: str, convolution: nn.Conv2d) -> list[TensorProto]:
    """A residual convolution stays in full precision; one of single places is the right side of a product."""
    if convolution.bias is None:
        raise ValueError("a folded convolution has a bias")
    weight = convolution.weight if convolution.kernel_size != (1, 1) else convolution.weight[:, :, 0, 0].T
    values = {"weight": weight, "bias": convolution.bias}
    return [
        numpy_helper.from_array(value.detach().cpu().contiguous().numpy(), f"{name}_{part}")
        for part, value in values.items()
    ]


def _nodes_seen(height: int, width: int) -> NDArray[np.int64]:
    """The nodes under the kernel at every position of a map, (positions * 9,), row by row; `height * width` stands for
    what lies outside. 3x3, stride (1, 2), padding 1."""
    numbers = np.pad(np.arange(height * width).reshape(height, width), 1, constant_values=height * width)
    windows = np.lib.stride_tricks.sliding_window_view(numbers, (_KERNEL, _KERNEL))[:, ::_STRIDE]
    return windows.reshape(-1).astype(np.int64)
