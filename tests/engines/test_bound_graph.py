"""A graph whose arrays stay in place takes only what fits them."""

from __future__ import annotations

import numpy as np
import onnx.parser
import pytest

from engines.bound_graph import BoundGraph
from engines.errors import ModelFolderError


def doubled(element: str) -> bytes:
    text = f'<ir_version: 9, opset_import: ["": 18]> g ({element}[2, 3] x) => ({element}[2, 3] y) {{ y = Add(x, x) }}'
    content: bytes = onnx.parser.parse_model(text).SerializeToString()
    return content


def test_each_run_reads_and_writes_the_same_arrays() -> None:
    graph = BoundGraph("g", doubled("float"), 1, [(2, 3)], [(2, 3)])
    (taken,), (given,) = graph.inputs, graph.outputs
    for value in (1.0, -4.0):
        taken[:] = value
        graph()
        np.testing.assert_array_equal(given, np.full((2, 3), 2 * value, np.float32))


def test_other_shapes_and_elements_are_refused() -> None:
    with pytest.raises(ModelFolderError, match=r"g: takes \[\(2, 3\)\]"):
        BoundGraph("g", doubled("float"), 1, [(3, 2)], [(2, 3)])
    with pytest.raises(ModelFolderError, match=r"g: x is tensor\(double\)"):
        BoundGraph("g", doubled("double"), 1, [(2, 3)], [(2, 3)])
