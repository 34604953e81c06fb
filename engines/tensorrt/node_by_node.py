"""Runs an ONNX graph one node at a time, so that every tensor between two nodes really has its own precision.

ONNX Runtime on x86 computes half nodes in fp32 and drops the casts between them: the tensors of a half graph are then
never rounded, and its answers look better than any GPU's. A session per node rounds each result and accumulates in
fp32, as a GPU does that fuses nothing.
"""

from __future__ import annotations

from typing import Any

import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import NodeProto, helper, numpy_helper

_IR_VERSION = 10


class NodeByNode:
    """One graph. Slow: for checking precision, not for use."""

    def __init__(self, content: bytes) -> None:
        model = onnx.load_model_from_string(content)
        graph = model.graph
        self._weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
        self._inputs = [entry.name for entry in graph.input]
        self._outputs = [entry.name for entry in graph.output]
        self._nodes = list(graph.node)
        self._opset = next(domain.version for domain in model.opset_import if domain.domain == "")
        self._sessions: dict[int, Any] = {}

    def run(self, *inputs: NDArray[Any]) -> list[NDArray[Any]]:
        """The graph's outputs."""
        tensors = {**self._weights, **dict(zip(self._inputs, inputs, strict=True))}
        for number, node in enumerate(self._nodes):
            feeds = {name: tensors[name] for name in node.input}
            if number not in self._sessions:
                self._sessions[number] = self._session(node, feeds)
            tensors |= zip(node.output, self._sessions[number].run(None, feeds), strict=True)
        return [tensors[name] for name in self._outputs]

    def _session(self, node: NodeProto, feeds: dict[str, NDArray[Any]]) -> Any:
        inputs = [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), [None] * value.ndim)
            for name, value in feeds.items()
        ]
        outputs = [onnx.ValueInfoProto(name=name) for name in node.output]
        graph = helper.make_graph([node], "node", inputs, outputs)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self._opset)], ir_version=_IR_VERSION)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
