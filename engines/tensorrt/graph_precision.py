"""Writes the precision of a GPU engine into its ONNX graphs, since TensorRT 11 and TensorRT-RTX take it from there.

An engine folder holds fp32 graphs. Mixed precision turns every floating-point tensor to half except those that decide
which neighbours are found: a half similarity finds others, which changes the features with no change in the image.
They are known by structure, not by name: a node whose results reach the outputs *only* through the indices of a TopK
decides. In the backbone these are the norm, the similarity and the TopK itself.

Two rewrites serve every precision. TensorRT takes uint8 inputs only where a Cast follows at once, so a Cast becomes the
only node that sees them; and the graphs are written as opset 17, the newest that TensorRT 8.6 reads.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import onnx
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper, shape_inference

from engines.errors import ModelFolderError
from engines.tensorrt.precision import Precision

OPSET = 17

_LARGEST_HALF = float(np.finfo(np.float16).max)


def graph_for(content: bytes, precision: Precision, *, fp32_outputs: tuple[str, ...] = ()) -> bytes:
    """One graph of an engine folder as TensorRT is to compile it.

    In fp16 the floating-point inputs and outputs become half too, save for the outputs named in `fp32_outputs`.
    Raises ModelFolderError for bytes that are no valid graph or weights that half cannot hold.
    """
    try:
        model = onnx.load_model_from_string(content)
        _lower_opset(model)
        _cast_bytes_first(model.graph)
        model = _typed(model)
        if precision == "fp16":
            _to_half(model.graph, fp32_outputs)
            model = _typed(model)
        _drop_unused_weights(model.graph)
        onnx.checker.check_model(model, full_check=True)
    except ModelFolderError:
        raise
    except Exception as error:
        raise ModelFolderError(f"cannot write this graph for TensorRT ({error}); export the engine again") from error
    return bytes(model.SerializeToString(deterministic=True))


def deciding_nodes(graph: GraphProto) -> set[str]:
    """The nodes whose results reach the graph's outputs only as the indices of a TopK, each by its first output.

    Nodes must be in topological order, as ONNX demands.
    """
    users: dict[str, list[NodeProto]] = defaultdict(list)
    for node in graph.node:
        for name in node.input:
            users[name].append(node)
    graph_outputs = {output.name for output in graph.output}
    deciding: set[str] = set()
    for node in reversed(graph.node):
        # What TopK decides goes on through its indices; its values must go nowhere.
        leaving = node.output[:1] if node.op_type == "TopK" else node.output
        followers = [user.output[0] for name in leaving for user in users[name]]
        goes_nowhere_else = graph_outputs.isdisjoint(leaving) and deciding.issuperset(followers)
        if goes_nowhere_else and (followers or node.op_type == "TopK"):
            deciding.add(node.output[0])
    return deciding


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


def _to_half(graph: GraphProto, fp32_outputs: tuple[str, ...]) -> None:
    floats = _float_tensors(graph)
    weights = {tensor.name for tensor in graph.initializer} & floats
    deciding = deciding_nodes(graph)
    stay = {name for node in graph.node if node.output[0] in deciding for name in node.output} | weights
    nodes: list[NodeProto] = []
    widened: set[str] = set()
    halved: set[str] = set()
    for node in graph.node:
        if node.output[0] in deciding:
            entering = (set(node.input) & floats) - stay
            nodes += [
                helper.make_node("Cast", [name], [f"{name}_fp32"], to=TensorProto.FLOAT)
                for name in sorted(entering - widened)
            ]
            widened |= entering
            node.input[:] = [f"{name}_fp32" if name in entering else name for name in node.input]
        else:
            halved |= set(node.input) & weights
            node.input[:] = [f"{name}_half" if name in weights else name for name in node.input]
            _redirect_cast(node)
        nodes.append(node)
    del graph.node[:]
    graph.node.extend(nodes)
    _halve_weights(graph, halved)
    _halve_ends(graph, fp32_outputs)


def _float_tensors(graph: GraphProto) -> set[str]:
    entries = [*graph.input, *graph.output, *graph.value_info]
    typed = {entry.name: entry.type.tensor_type.elem_type for entry in entries}
    typed |= {tensor.name: tensor.data_type for tensor in graph.initializer}
    return {name for name, element in typed.items() if element == TensorProto.FLOAT}


def _redirect_cast(node: NodeProto) -> None:
    """A cast to float outside of what decides becomes one to half."""
    if node.op_type == "Cast" and node.attribute[0].i == TensorProto.FLOAT:
        node.attribute[0].i = TensorProto.FLOAT16


def _halve_weights(graph: GraphProto, halved: set[str]) -> None:
    """Add a half copy of each weight named."""
    for tensor in [tensor for tensor in graph.initializer if tensor.name in halved]:
        values = numpy_helper.to_array(tensor)
        if not np.all(np.abs(values) <= _LARGEST_HALF):
            raise ModelFolderError(
                f"the weights {tensor.name!r} do not fit half precision (largest {np.abs(values).max():g}, limit "
                f"{_LARGEST_HALF:g}); use the precision fp32"
            )
        graph.initializer.append(numpy_helper.from_array(values.astype(np.float16), f"{tensor.name}_half"))


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
