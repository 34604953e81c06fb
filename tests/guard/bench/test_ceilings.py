"""The work of a frame is that of the shipped graphs, and shares of a ceiling are what they say."""

from __future__ import annotations

import math

import pytest

from engines.device_ceilings import DeviceCeilings
from engines.model_folder import read_model_folder
from engines.registry import find_model
from engines.tensorrt import gpu_ceilings
from guard.bench.ceilings import (
    BACKBONE_MACS,
    HEAD_MACS,
    Ceilings,
    StageRate,
    StageWork,
    arithmetic_rate,
    cpu_ceilings,
    device_ceilings,
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
    """In KiB: maps of 128, slices of 32, sums of terms of 40 on the CPU; eight maps of 64 on a device, as in
    engines/kernels/README.md."""
    assert stage_work(on_device=False, int8_head=False)["difference"].moved_bytes == 1024 * (3 * 128 + 2 * 32)
    assert stage_work(on_device=False, int8_head=True)["difference"].moved_bytes == 1024 * (3 * 128 + 7 * 40)
    assert stage_work(on_device=True, int8_head=False)["difference"].moved_bytes == 1024 * 512


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


def test_a_device_has_a_ceiling_for_its_bus_too() -> None:
    upload = stage_work(on_device=True, int8_head=False)["upload"]
    assert upload.uploaded_bytes == 128 * 128
    rates = stage_rates({"upload": 0.0009765625}, {"upload": upload}, Ceilings(40.0, 4.0, "", upload_gbps=33.554432))
    assert rates == {"upload": StageRate(16.777216, "GB/s", 0.5)}
    assert "upload" not in stage_work(on_device=False, int8_head=False)


def test_whole_steps_are_held_against_the_arithmetic() -> None:
    rate = arithmetic_rate(1000.0, Ceilings(1489.68192, 1.0, ""), int8_head=False)
    assert rate.unit == "GFLOP/s"
    assert rate.rate == pytest.approx(148.968192, rel=1e-6)
    assert rate.share == pytest.approx(0.1, rel=1e-4)


def test_a_head_in_integers_has_no_share_of_a_ceiling_of_floats() -> None:
    ceilings = Ceilings(1131.855, 1.0, "")
    head = stage_work(on_device=False, int8_head=True)["head"]
    assert stage_rates({"head": 1.0}, {"head": head}, ceilings) == {"head": StageRate(82.706432, "GOP/s", None)}
    whole = arithmetic_rate(1000.0, ceilings, int8_head=True)
    assert (whole.unit, whole.share) == ("GOP/s", None)


def test_a_device_that_cannot_be_measured_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def lost() -> DeviceCeilings:
        raise RuntimeError("the device fell off the bus")

    monkeypatch.setattr(gpu_ceilings, "gpu_ceilings", lost)
    found = device_ceilings()
    assert (found.gflops, found.copy_gbps, found.upload_gbps) == (None, None, None)
    assert found.about == "not measured: the device fell off the bus"


def test_what_a_device_reached_is_told_in_billions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_ceilings, "gpu_ceilings", lambda: DeviceCeilings(8e14, 3e12, 5e10))
    found = device_ceilings()
    assert (found.gflops, found.copy_gbps, found.upload_gbps) == (800_000, 3000, 50)
    assert "same run" in found.about
