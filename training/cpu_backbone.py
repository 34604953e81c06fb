"""The backbone of an engine for CPUs: the same operations, in the form that ONNX Runtime does fastest for one frame.

A frame at a time, so that no node computes a number of streams; and only up to the similarity of nodes. The search for
each node's nearest ones is left to whoever runs it (`engines/strongest_neighbours.py`): ONNX Runtime has no vector code
for it, and it would take as long as the similarity and half of the convolutions together.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx.parser
from onnx import ModelProto, numpy_helper
from torch import nn

from training.models.f5c import FEATURE_CHANNELS, MAP_SIZE
from training.models.step_graphs import BackboneStep

_GRAPH = """
<ir_version: 9, opset_import: ["": 18]>
cpu_backbone (uint8[1, 1, 128, 128] frame) => (float[256, 128] nodes, float[256, 256] similarity)
{
    luma = Cast<to = 1>(frame)
    first = Conv<strides = [2, 2]>(luma, first_weight, first_bias)
    first_values = Relu(first)
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
    inverse_norms = Reciprocal(some_norms)
    unit_columns = Mul(columns, inverse_norms)
    nodes = Transpose<perm = [1, 0]>(columns)
    similarity = MatMul(nodes, unit_columns)
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
    }
    convolutions = [layer for layer in backbone.stem if isinstance(layer, nn.Conv2d)]
    for name, convolution in zip(("first", "second", "third", "fourth"), convolutions, strict=True):
        parameters = convolution.state_dict()
        values |= {f"{name}_{kind}": parameters[kind].numpy() for kind in ("weight", "bias")}
    tensors = [numpy_helper.from_array(np.asarray(value), name) for name, value in values.items()]
    model.graph.initializer.extend(tensors)
    onnx.checker.check_model(model, full_check=True)
    return model
