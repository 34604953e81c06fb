"""The backbone of an engine for CPUs: the same operations, in the form that ONNX Runtime does fastest for one frame.

A frame at a time, so that no node computes a number of streams; and with nodes as rows, so that neighbours on the map
are slices and sums over channels are products.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx.parser
from onnx import ModelProto, numpy_helper
from torch import nn

from training.models.f5c import FEATURE_CHANNELS, MAP_SIZE
from training.models.normal_flow import GRADIENT_FLOOR
from training.models.soft_correspondence import TEMPERATURE
from training.models.step_graphs import BackboneStep

_GRAPH = """
<ir_version: 9, opset_import: ["": 18]>
cpu_backbone (uint8[1, 1, 128, 128] frame) => (float[256, 128] nodes)
{
    luma = Cast<to = 1>(frame)
    first_maps = Conv<strides = [2, 2]>(luma, first_weight, first_bias)
    first_values = Relu(first_maps)
    second = Conv<strides = [2, 2]>(first_values, second_weight, second_bias)
    second_values = Relu(second)
    third = Conv<strides = [2, 2], pads = [1, 1, 1, 1]>(second_values, third_weight, third_bias)
    third_values = Relu(third)
    fourth = Conv(third_values, fourth_weight, fourth_bias)
    stem = Relu(fourth)
    mixed_height = MatMul(height_mix, stem)
    mixed = MatMul(mixed_height, width_mix)
    residual = Add(stem, mixed)
    maps = Add(residual, constant)
    columns = Reshape(maps, columns_shape)
    squared = Mul(columns, columns)
    squares = MatMul(ones, squared)
    norms = Sqrt(squares)
    some_norms = Max(norms, least_norm)
    scales = Div(root_of_sharpness, some_norms)
    scaled = Mul(columns, scales)
    scaled_rows = Transpose<perm = [1, 0]>(scaled)
    likeness = MatMul(scaled_rows, scaled)
    weight = Softmax<axis = 1>(likeness)
    rows = Transpose<perm = [1, 0]>(columns)
    mean = MatMul(weight, rows)
    taken_over = Relu(mean)
    values = Add(rows, taken_over)

    up = Slice(values, first, last_row, node_axis)
    down = Slice(values, row, end, node_axis)
    left = Slice(values, first, last, node_axis)
    right = Slice(values, one, end, node_axis)
    step_down = Sub(down, up)
    step_across = Sub(right, left)
    square_down = Mul(step_down, step_down)
    square_across = Mul(step_across, step_across)
    energy_down = MatMul(square_down, per_channel)
    energy_of_steps = MatMul(square_across, per_channel)
    energy_across = Mul(energy_of_steps, within_row)
    padded_down = Pad(energy_down, below)
    padded_across = Pad(energy_across, behind)
    energy = Add(padded_down, padded_across)
    on_map = Reshape(energy, map_shape)
    around = AveragePool<kernel_shape = [3, 3], pads = [1, 1, 1, 1]>(on_map)
    some_energy = Add(around, floor)
    gradient = Sqrt(some_energy)
    of_nodes = Reshape(gradient, column_shape)
    nodes = Div(values, of_nodes)
}
"""


def write_cpu_backbone(backbone: BackboneStep, path: Path) -> None:
    """Write the graph of one frame, for the weights of `backbone`."""
    path.write_bytes(cpu_backbone(backbone).SerializeToString())


def cpu_backbone(backbone: BackboneStep) -> ModelProto:
    """What `write_cpu_backbone` writes; inputs and outputs: `engines/models/README.md`."""
    model = onnx.parser.parse_model(_GRAPH)
    values = {
        "height_mix": backbone.height_mix.numpy(),
        "width_mix": backbone.width_mix.numpy(),
        "constant": backbone.constant.numpy(),
        "columns_shape": np.array([FEATURE_CHANNELS, MAP_SIZE**2]),
        "ones": np.ones((1, FEATURE_CHANNELS), np.float32),
        "least_norm": np.float32(1e-12),
        "root_of_sharpness": np.float32(TEMPERATURE**-0.5),
        "per_channel": np.full((FEATURE_CHANNELS, 1), 1 / FEATURE_CHANNELS, np.float32),
        "within_row": (np.arange(1, MAP_SIZE**2) % MAP_SIZE > 0).astype(np.float32)[:, None],
        "floor": np.float32(GRADIENT_FLOOR),
        "below": np.array([0, 0, MAP_SIZE, 0]),
        "behind": np.array([0, 0, 1, 0]),
        "map_shape": np.array([1, 1, MAP_SIZE, MAP_SIZE]),
        "column_shape": np.array([MAP_SIZE**2, 1]),
        "node_axis": np.array([0]),
        "first": np.array([0]),
        "one": np.array([1]),
        "row": np.array([MAP_SIZE]),
        "last_row": np.array([MAP_SIZE**2 - MAP_SIZE]),
        "last": np.array([MAP_SIZE**2 - 1]),
        "end": np.array([MAP_SIZE**2]),
    }
    convolutions = [layer for layer in backbone.stem if isinstance(layer, nn.Conv2d)]
    for name, convolution in zip(("first", "second", "third", "fourth"), convolutions, strict=True):
        parameters = convolution.state_dict()
        values |= {f"{name}_{kind}": parameters[kind].numpy() for kind in ("weight", "bias")}
    tensors = [numpy_helper.from_array(np.asarray(value), name) for name, value in values.items()]
    model.graph.initializer.extend(tensors)
    onnx.checker.check_model(model, full_check=True)
    return model
