"""Writes the precision of a GPU engine into its ONNX graphs, since TensorRT 11 and TensorRT-RTX take it from there.

An engine folder holds fp32 graphs. Mixed precision turns every floating-point tensor of a graph to half except the
outputs that are asked for in fp32. Nothing in the network chooses, so what is rounded moves its results a little
(`precision_cost`); graphs that choose, as those of engines up to 0.4.0 do, are refused in half, where they would choose
otherwise.

Two rewrites serve every precision. TensorRT takes uint8 inputs only where a Cast follows at once, so a Cast becomes the
only node that sees them; and the graphs are written as opset 17, the newest that TensorRT 8.6 reads.
"""

from __future__ import annotations

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, TensorProto, helper, numpy_helper, shape_inference

from engines.errors import ModelFolderError
from engines.tensorrt.precision import Precision

OPSET = 17

_LARGEST_HALF = float(np.finfo(np.float16).max)
_SMALLEST_HALF = np.finfo(np.float16).smallest_subnormal


def graph_for(content: bytes, precision: Precision, *, fp32_outputs: tuple[str, ...] = ()) -> bytes:
    """One graph of an engine folder as TensorRT is to compile it.

    In fp16 the floating-point inputs and outputs become half too, save for the outputs named in `fp32_outputs`.
    Raises ModelFolderError for bytes that are no valid graph, and in fp16 for weights that half cannot hold or a graph
    that chooses the nearest of its nodes.
    """
    try:
        model = onnx.load_model_from_string(content)
        _lower_opset(model)
        _cast_bytes_first(model.graph)
        _drop_unused_weights(model.graph)
        model = _typed(model)
        if precision == "fp16":
            _refuse_choices(model.graph)
            _to_half(model.graph, fp32_outputs)
            model = _typed(model)
        onnx.checker.check_model(model, full_check=True)
    except ModelFolderError:
        raise
    except Exception as error:
        raise ModelFolderError(f"cannot write this graph for TensorRT ({error}); export the engine again") from error
    return bytes(model.SerializeToString(deterministic=True))


def _typed(model: ModelProto) -> ModelProto:
    del model.graph.value_info[:]
    return shape_inference.infer_shapes(model, check_type=True, strict_mode=True)


def _lower_opset(model: ModelProto) -> None:
    """Write the operators that changed with opset 18 in their earlier form; the checker finds any that this misses."""
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Split":
            # Without a number of outputs, opset 17 cuts into as many equal parts as the node names.
            kept = [attribute for attribute in node.attribute if attribute.name != "num_outputs"]
            del node.attribute[:]
            node.attribute.extend(kept)
        elif node.op_type.startswith("Reduce") and node.op_type != "ReduceSum" and len(node.input) == 2:
            axes = numpy_helper.to_array(constants[node.input.pop()])
            kept = [attribute for attribute in node.attribute if attribute.name != "noop_with_empty_axes"]
            del node.attribute[:]
            node.attribute.extend([*kept, helper.make_attribute("axes", axes.tolist())])
    for domain in model.opset_import:
        if domain.domain == "":
            domain.version = min(domain.version, OPSET)


def _cast_bytes_first(graph: GraphProto) -> None:
    for entry in graph.input:
        if entry.type.tensor_type.elem_type == TensorProto.UINT8:
            floats = f"{entry.name}_float"
            _rename_uses(graph, entry.name, floats)
            graph.node.insert(0, helper.make_node("Cast", [entry.name], [floats], to=TensorProto.FLOAT))


def _refuse_choices(graph: GraphProto) -> None:
    if any(node.op_type == "TopK" for node in graph.node):
        raise ModelFolderError(
            "this engine chooses neighbours, and would choose others in half precision; use the precision fp32, or "
            "export the engine again"
        )


def _to_half(graph: GraphProto, fp32_outputs: tuple[str, ...]) -> None:
    for tensor in graph.initializer:
        if tensor.data_type == TensorProto.FLOAT:
            tensor.CopyFrom(numpy_helper.from_array(_halved(tensor.name, numpy_helper.to_array(tensor)), tensor.name))
    for node in graph.node:
        if node.op_type == "Cast" and node.attribute[0].i == TensorProto.FLOAT:
            node.attribute[0].i = TensorProto.FLOAT16
    _halve_ends(graph, fp32_outputs)


def _halved(name: str, values: NDArray[np.float32]) -> NDArray[np.float16]:
    """A weight in half. What is not 0 stays so: a graph may divide by what a tiny constant keeps away from 0."""
    if not np.all(np.abs(values) <= _LARGEST_HALF):
        raise ModelFolderError(
            f"the weights {name!r} do not fit half precision (largest {np.abs(values).max():g}, limit "
            f"{_LARGEST_HALF:g}); use the precision fp32"
        )
    halves = values.astype(np.float16)
    lost = (halves == 0) & (values != 0)
    return np.where(lost, np.copysign(_SMALLEST_HALF, halves), halves)


def _drop_unused_weights(graph: GraphProto) -> None:
    used = {name for node in graph.node for name in node.input}
    for tensor in [tensor for tensor in graph.initializer if tensor.name not in used]:
        graph.initializer.remove(tensor)


def _halve_ends(graph: GraphProto, fp32_outputs: tuple[str, ...]) -> None:
    for entry in [*graph.input, *graph.output]:
        if entry.name in fp32_outputs:
            half = f"{entry.name}_half"
            for node in graph.node:
                node.output[:] = [half if name == entry.name else name for name in node.output]
            _rename_uses(graph, entry.name, half)
            graph.node.append(helper.make_node("Cast", [half], [entry.name], to=TensorProto.FLOAT))
        elif entry.type.tensor_type.elem_type == TensorProto.FLOAT:
            entry.type.tensor_type.elem_type = TensorProto.FLOAT16


def _rename_uses(graph: GraphProto, name: str, by: str) -> None:
    for node in graph.node:
        node.input[:] = [by if used == name else used for used in node.input]
