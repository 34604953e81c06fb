"""A plain matrix product as a graph, for the ceiling that TensorRT itself sets to what it compiles."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper

from engines.tensorrt.graph_precision import OPSET

_IR_VERSION = 8
"""The newest that goes with this opset."""


def half_product(size: int) -> bytes:
    """`left` half (rows, size) by random halves (size, size) to `product` half (rows, size)."""
    right = np.random.default_rng(1).standard_normal((size, size), np.float32) / np.sqrt(np.float32(size))
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["left", "right"], ["product"])],
        "half_product",
        [helper.make_tensor_value_info("left", TensorProto.FLOAT16, ["rows", size])],
        [helper.make_tensor_value_info("product", TensorProto.FLOAT16, ["rows", size])],
        [numpy_helper.from_array(right.astype(np.float16), "right")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=_IR_VERSION)
    checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString(deterministic=True))
