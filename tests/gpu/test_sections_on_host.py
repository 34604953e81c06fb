"""The sections of the evidence, small, on the host: the code that a GPU machine runs once is run here every time."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch

from engines.device_stages import EachTimeAnew
from engines.model_folder import ModelFolder
from engines.onnx_engine import OnnxEngine
from engines.protocol import EngineStatus
from tests.engines.kernels.streams import KernelStreams, random_frames
from tests.gpu.clips import Clip, drawn_clips
from tests.gpu.difference_load import DifferenceLoad
from tests.gpu.engine_parts import EngineParts
from tests.gpu.section import UnavailableError
from tests.gpu.sections.bandwidth import measure_bandwidth
from tests.gpu.sections.engine import compare_engines
from tests.gpu.sections.kernels import measure_kernels
from tests.gpu.sections.sanitizer import count_errors
from tests.gpu.sections.streams import measure_streams
from tests.gpu.stack import Stack
from tests.gpu.torch_ceiling import frame_operations
from tests.gpu.torch_difference import TorchRings, difference_maps
from tests.gpu.torch_graphs import torch_graphs
from tests.gpu.torch_memory import HostMemory
from tests.gpu.torch_rivals import time_ways

STATUS = EngineStatus("torch", "fp16", "host", None)


def _parts(model: ModelFolder) -> EngineParts:
    return EngineParts(torch_graphs(model, HostMemory()), EachTimeAnew(), STATUS)


def _as_json(values: dict[str, Any]) -> Any:
    return json.loads(json.dumps(values, allow_nan=False))


def test_kernels(host_stack: Stack) -> None:
    values = _as_json(measure_kernels(host_stack, shapes=((1, 2, 0), (3, 3, 1)), steps=12))
    assert values["agree"]
    assert [entry["streams"] for entry in values["sequences"]] == [1, 3]


def test_bandwidth_against_the_same_in_pytorch(host_stack: Stack) -> None:
    def rivals(stack: Stack, streams: int, repeats: int) -> dict[str, Any]:
        return {"ways": time_ways(stack, HostMemory(), {"eager": difference_maps}, streams, repeats)}

    values = _as_json(
        measure_bandwidth(host_stack, rivals, loads=((3, 3), (3, 2)), rival_streams=3, copy_bytes=2**16, repeats=3)
    )
    for entry in values["kernel"]:
        assert entry["bytes_moved"] == 3 * 512 * 1024
        assert entry["share_of_copy"] == pytest.approx(entry["bytes_per_second"] / values["copy"]["per_second"])
    (way,) = values["pytorch"]["ways"]
    first = values["kernel"][0]["times"]["median_ms"]
    assert way["kernel_is_faster_by"] == pytest.approx(way["times"]["median_ms"] / first)


def test_bandwidth_without_pytorch_says_so(host_stack: Stack) -> None:
    def rivals(stack: Stack, streams: int, repeats: int) -> dict[str, Any]:
        raise UnavailableError("PyTorch sees no GPU")

    values = measure_bandwidth(host_stack, rivals, loads=((2, 2),), rival_streams=2, copy_bytes=2**16, repeats=2)
    assert values["pytorch_unavailable"] == "PyTorch sees no GPU"


def test_the_rival_does_the_same_as_the_kernel(host_stack: Stack) -> None:
    """From empty rings on, streams that begin one frame apart: differences to the bit."""
    generator = np.random.default_rng(1)
    kernels = KernelStreams(host_stack.device, 2, 3)
    rings = TorchRings(torch.zeros(6, 128, 256, dtype=torch.float16), torch.tensor([0, 1]), torch.zeros(2).long())
    for number in range(7):
        step = random_frames(generator, 2, breaks=0, everyone=True)
        if number == 6:
            step.maps[0, 0, 0, 0] = np.inf
        step.continues[:] = number != np.where(step.slots == 0, 0, 1)
        found = kernels.step(step)
        places = torch.from_numpy(step.slots.astype(np.int64))
        rings.run[:] = torch.where(torch.tensor([number == 0, number <= 1]), 1, rings.run + 1)
        moved, energy, broken = difference_maps(
            rings.maps, rings.oldest, rings.run, places, torch.from_numpy(step.maps).flatten(2)
        )
        np.testing.assert_array_equal(moved.reshape(found.differences.shape).numpy(), found.differences)
        np.testing.assert_allclose(energy.numpy(), found.energy, rtol=1e-5)
        assert broken.tolist() == [number == 6, False]
        rings.oldest[:] = (rings.oldest + 1) % 3


def test_differencing_is_full_from_the_first_timed_launch(host_stack: Stack) -> None:
    """Every stream is in mid-run, so no launch is spared a read."""
    load = DifferenceLoad(host_stack.device, 3, 2)
    load.launch()
    found = load.result()
    assert all(np.abs(found[stream, tap]).max() > 0 for stream in range(3) for tap in range(3))
    load.close()


def test_engine_on_two_clips(host_stack: Stack, model: ModelFolder) -> None:
    engine = _parts(model).engine(model, host_stack, (1, 2))
    golden, mirrored = drawn_clips(model.spec.window_frames)[:2]
    after_break = golden.frames[-46:]
    clips = [
        Clip("golden", after_break, np.ones(46, np.bool_)),
        Clip("mirrored", mirrored.frames[:12], mirrored.continues[:12]),
    ]
    values = _as_json(compare_engines(engine, OnnxEngine(model), clips))
    assert values["cosine_min"] >= 0.999
    assert values["decisions"]["differing"] == 0
    assert values["decisions"]["pairs"] > 0
    assert [entry["clip"] for entry in values["clips"]] == ["golden", "mirrored"]


def test_streams(host_stack: Stack, model: ModelFolder) -> None:
    values = _as_json(
        measure_streams(
            model,
            host_stack,
            lambda: _parts(model),
            streams=(1, 9),
            seconds=0.01,
            ceiling_bytes=(2**16, 2**16),
            buckets=(1, 2),
            stage_steps=3,
        )
    )
    assert (values["largest_step_frames"], values["largest_batch_frames"]) == (8, 2)
    one, nine = values["loads"]
    assert (one["step"]["repeats"], nine["step"]["repeats"]) == (one["tick"]["repeats"], 2 * nine["tick"]["repeats"])
    assert nine["record_bytes_per_stream"] == 439_808
    assert (nine["evictions"], nine["refused"]) == (0, 0)
    stages = values["stages_ms_per_largest_batch"]
    assert {"upload", "backbone graph", "difference_maps", "head graph", "embedding graph", "download"} < stages.keys()
    assert sum(time for stage, time in stages.items() if stage != "wall") <= stages["wall"] * 2
    assert values["frame_cost"]["uploaded_bytes"] == 16384


def test_operations_of_a_frame(model: ModelFolder) -> None:
    """The reference counts 96.8 million (derived by hand); CCC's weighted means are as many as its similarity, and the
    residual convolutions look at three differences and the newest slice of either size."""
    residual = 2 * (3 * 256 * 128 * 128 + 128 * 9 * 64 * 64 + 64 * 9 * 32 * 32)
    assert frame_operations(model) == pytest.approx(96.8e6 + 2 * 256 * 256 * 128 + residual, rel=0.01)


@pytest.mark.parametrize(
    ("output", "errors"),
    [
        ("begun\n========= ERROR SUMMARY: 0 errors\n", 0),
        ("========= ERROR SUMMARY: 17 errors\n", 17),
        ("========= RACECHECK SUMMARY: 2 hazards displayed (2 errors, 0 warnings)\n", 2),
        ("Device not supported\n", None),
    ],
)
def test_the_sanitizers_summary(output: str, errors: int | None) -> None:
    assert count_errors(output) == errors
