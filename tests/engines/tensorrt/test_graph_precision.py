"""The graphs that TensorRT compiles: the same function, in the precision that was asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper, numpy_helper, shape_inference

from engines.errors import ModelFolderError
from engines.model_folder import ModelFolder, read_model_folder
from engines.slot_state import POSITION_SIZE
from engines.tensorrt.graph_precision import OPSET, graph_for
from engines.tensorrt.model_plans import engine_graphs
from engines.tensorrt.node_by_node import NodeByNode


@pytest.fixture
def model(any_engine_folder: Path) -> ModelFolder:
    """The random engine and the shipped one."""
    return read_model_folder(any_engine_folder)


def _typed(content: bytes) -> tuple[ModelProto, dict[str, int]]:
    model = shape_inference.infer_shapes(onnx.load_model_from_string(content))
    entries = [*model.graph.value_info, *model.graph.input, *model.graph.output]
    return model, {entry.name: entry.type.tensor_type.elem_type for entry in entries}


def _run(content: bytes, *inputs: NDArray[Any]) -> list[NDArray[Any]]:
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    names = [entry.name for entry in session.get_inputs()]
    outputs: list[NDArray[Any]] = session.run(None, dict(zip(names, inputs, strict=True)))
    return outputs


def _inputs(model: ModelFolder) -> dict[str, tuple[NDArray[Any], ...]]:
    random = np.random.default_rng(5)
    return {
        "backbone": (random.integers(0, 256, (3, 128, 128), dtype=np.uint8),),
        "head": (
            random.normal(size=(3, 3, 128, 16, 16)).astype(np.float32),
            random.random((3, 2, 64, 16, 8), np.float32),
        ),
        "embedding": (random.random((3, 2 * POSITION_SIZE), np.float32),),
    }


def test_fp32_graphs_compute_what_the_engines_do(model: ModelFolder) -> None:
    originals = {"backbone": model.backbone, "head": model.head, "embedding": model.embedding}
    for name, graph in engine_graphs(model, "fp32").items():
        inputs = _inputs(model)[name]
        for found, wanted in zip(_run(graph, *inputs), _run(originals[name], *inputs), strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)


def test_graphs_are_old_enough_for_tensorrt_8_6_and_take_any_batch(model: ModelFolder) -> None:
    for graph in engine_graphs(model, "fp16").values():
        read = onnx.load_model_from_string(graph)
        assert [domain.version for domain in read.opset_import] == [OPSET]
        for entry in read.graph.input:
            assert entry.type.tensor_type.shape.dim[0].dim_param


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_no_weight_is_carried_that_nobody_uses(model: ModelFolder, precision: Any) -> None:
    for graph in engine_graphs(model, precision).values():
        read = onnx.load_model_from_string(graph).graph
        assert {tensor.name for tensor in read.initializer} <= {name for node in read.node for name in node.input}


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_bytes_go_into_a_cast_and_nothing_else(model: ModelFolder, precision: Any) -> None:
    read, types = _typed(engine_graphs(model, precision)["backbone"])
    assert types["frames"] == TensorProto.UINT8
    assert [node.op_type for node in read.graph.node if "frames" in node.input] == ["Cast"]


@pytest.mark.parametrize(("name", "fp32"), [("backbone", set()), ("head", {"position"})])
def test_every_float_is_half_but_for_the_outputs_named(model: ModelFolder, name: str, fp32: set[str]) -> None:
    read, types = _typed(engine_graphs(model, "fp16")[name])
    types |= {tensor.name: tensor.data_type for tensor in read.graph.initializer}
    assert {output for node in read.graph.node for output in node.output} <= types.keys()
    assert {tensor for tensor, element in types.items() if element == TensorProto.FLOAT} == fp32
    assert TensorProto.FLOAT16 in types.values()


def test_half_ends_and_fp32_ends(model: ModelFolder) -> None:
    graphs = engine_graphs(model, "fp16")
    _, head = _typed(graphs["head"])
    assert {head[name] for name in ("differences", "earlier_slices", "slice")} == {TensorProto.FLOAT16}
    assert head["position"] == TensorProto.FLOAT
    assert graphs["embedding"] == engine_graphs(model, "fp32")["embedding"]
    assert len(graphs["head"]) < 0.6 * len(model.head)


def test_a_half_head_is_near_the_engines(model: ModelFolder) -> None:
    inputs = _inputs(model)["head"]
    wanted = _run(model.head, *inputs)
    found = NodeByNode(engine_graphs(model, "fp16")["head"]).run(*(array.astype(np.float16) for array in inputs))
    assert [array.dtype for array in found] == [np.float16, np.float32]
    for half, full in zip(found, wanted, strict=True):
        assert 0 < np.linalg.norm(half - full) < 2e-3 * np.linalg.norm(full)


def test_tensors_between_nodes_are_really_rounded() -> None:
    """ONNX Runtime as a whole does not round them on x86, which is why there is a runner of single nodes."""
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT16, [64]) for name in ("x", "y")]
    factors = [np.array(value, np.float16) for value in (3.14159, 0.7177)]
    weights = [numpy_helper.from_array(value, name) for value, name in zip(factors, "ab", strict=True)]
    nodes = [helper.make_node("Mul", ["x", "a"], ["between"]), helper.make_node("Mul", ["between", "b"], ["y"])]
    graph = helper.make_graph(nodes, "two products", ends[:1], ends[1:], weights)
    content = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9).SerializeToString()
    x = np.random.default_rng(1).uniform(0, 10, 64).astype(np.float16)
    np.testing.assert_array_equal(NodeByNode(content).run(x)[0], x * factors[0] * factors[1])


def _one_product(weight: float) -> bytes:
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 1]) for name in ("x", "y")]
    weights = [numpy_helper.from_array(np.array([weight], np.float32), "large")]
    graph = helper.make_graph([helper.make_node("Mul", ["x", "large"], ["y"])], "g", ends[:1], ends[1:], weights)
    return bytes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)]).SerializeToString())


@pytest.mark.parametrize("weight", [7e4, -np.inf, np.nan])
def test_weights_that_half_cannot_hold_are_refused(weight: float) -> None:
    with pytest.raises(ModelFolderError, match="'large' do not fit half precision"):
        graph_for(_one_product(weight), "fp16")
    assert graph_for(_one_product(weight), "fp32")


def test_a_graph_that_chooses_is_refused_in_half() -> None:
    """As engines up to 0.4.0 choose neighbours: in half they would choose others, with a cosine of 0.996."""
    ends = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 8]),
        helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 4]),
    ]
    nodes = [helper.make_node("TopK", ["x", "count"], ["y", "chosen"])]
    count = [numpy_helper.from_array(np.array([4], np.int64), "count")]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], count)
    content = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]).SerializeToString()
    with pytest.raises(ModelFolderError, match="chooses neighbours"):
        graph_for(content, "fp16")
    assert graph_for(content, "fp32")


@pytest.mark.parametrize("weight", [1e-12, -1e-12])
def test_no_weight_becomes_zero(weight: float) -> None:
    """What keeps a division away from 0 is smaller than half can hold."""
    (found,) = NodeByNode(graph_for(_one_product(weight), "fp16")).run(np.ones((1, 1), np.float16))
    assert found == np.copysign(np.finfo(np.float16).smallest_subnormal, weight)


@pytest.mark.parametrize("content", [b"", b"no graph at all", _one_product(1.0)[:-9]])
def test_what_is_no_graph_is_refused(content: bytes) -> None:
    with pytest.raises(ModelFolderError, match="export the engine again"):
        graph_for(content, "fp32")
