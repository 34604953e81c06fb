"""The work of a frame is that of the shipped graphs, and shares of a ceiling are what they say."""

from __future__ import annotations

import math

import pytest

from engines.model_folder import read_model_folder
from engines.registry import find_model
from guard.bench.ceilings import (
    BACKBONE_MACS,
    HEAD_MACS,
    Ceilings,
    StageRate,
    StageWork,
    cpu_ceilings,
    stage_rates,
    stage_work,
)


def _multiply_adds(content: bytes) -> int:
    """Of a graph's convolutions and matrix products, for one frame, from the shapes that ONNX infers."""
    onnx = pytest.importorskip("onnx")
    model = onnx.load_from_string(content)
    for tensor in model.graph.input:
        tensor.type.tensor_type.shape.dim[0].dim_value = 1
    graph = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    shapes = {tensor.name: list(tensor.dims) for tensor in graph.initializer}
    for value in (*graph.value_info, *graph.input, *graph.output):
        shapes[value.name] = [size.dim_value for size in value.type.tensor_type.shape.dim]
    total = 0
    for node in graph.node:
        if node.op_type == "Conv":
            total += math.prod(shapes[node.output[0]]) * math.prod(shapes[node.input[1]][1:])
        elif node.op_type == "MatMul":
            total += math.prod(shapes[node.output[0]]) * shapes[node.input[0]][-1]
    return total


def test_the_work_of_a_frame_is_that_of_the_shipped_graphs() -> None:
    model = read_model_folder(find_model("default"))
    assert _multiply_adds(model.backbone) == BACKBONE_MACS
    assert _multiply_adds(model.head) == HEAD_MACS


def test_bytes_of_a_difference() -> None:
    """In KiB: maps of 128 and slices of 32 on the CPU; eight maps of 64 on a device (engines/kernels/README.md)."""
    assert stage_work(on_device=False)["difference"].moved_bytes == 1024 * (3 * 128 + 2 * 32)
    assert stage_work(on_device=True)["difference"].moved_bytes == 1024 * 512


def test_shares_of_the_ceilings() -> None:
    work = {"backbone": StageWork(operations=10**7), "difference": StageWork(moved_bytes=10**6), "head": StageWork(1)}
    rates = stage_rates({"backbone": 0.5, "difference": 0.125, "pooling": 1.0}, work, Ceilings(40.0, 4.0, ""))
    assert rates == {"backbone": StageRate(20.0, "GFLOP/s", 0.5), "difference": StageRate(8.0, "GB/s", 2.0)}


def test_without_a_ceiling_there_is_a_rate_and_no_share() -> None:
    rates = stage_rates({"head": 2.0}, {"head": StageWork(operations=4 * 10**6)}, Ceilings(None, None, "no device"))
    assert rates == {"head": StageRate(2.0, "GFLOP/s", None)}


def test_the_processor_is_measured() -> None:
    found = cpu_ceilings(threads=1)
    assert found.gflops is not None, found.about
    assert found.copy_gbps is not None
    assert min(found.gflops, found.copy_gbps) > 0


def test_a_processor_that_cannot_be_measured_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/nonesuch/python")
    found = cpu_ceilings(threads=1)
    assert (found.gflops, found.copy_gbps) == (None, None)
    assert found.about.startswith("not measured: ")
