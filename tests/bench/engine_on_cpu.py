"""The CPU engine against the same network left as published, in one run on one thread.

    python -m tests.bench.engine_on_cpu --seconds 20 --json engine_on_cpu.json

1. One frame through the backbone: what CPUs run (the same folds and products, maps as rows of nodes) and the graph of
   every backend (batch normalisation folded, FCC as matrix products) against a plain export of the same network and one
   of the published operations with CCC's hard choice, same weights, and all against the arithmetic that ONNX Runtime
   reaches in a matrix product.
2. One position through the head, in full precision and in 8-bit integers.
3. One new score: a step of the shipped engine, on the graphs for CPUs and on those of every backend, for one stream and
   for eight, against the published way, which computes all 64 frames again, in PyTorch.

What runs is run in turns, so that other work on the machine meets all alike, and what counts is the time that the
thread itself had the processor.
"""

from __future__ import annotations

import argparse
import itertools
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx.parser
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from engines.bound_graph import BoundGraph
from engines.model_folder import CpuGraphs, read_model_folder
from engines.onnx_backbone import NodeBackbone
from engines.onnx_engine import OnnxEngine
from engines.onnx_head import FullHead, Int8Head
from engines.registry import find_model
from guard.bench.ceilings import BACKBONE_MACS
from guard.bench.machine import describe_machine
from training.cpu_backbone import cpu_backbone
from training.export import write_graph
from training.int8_head import int8_head
from training.models.f5c import FEATURE_CHANNELS, NEIGHBOURS
from training.models.feat_diff import FeatDiff
from training.models.normal_flow import per_gradient
from training.models.soft_correspondence import soft_correspondence
from training.models.step_graphs import BackboneStep, HeadStep, step_graphs
from training.models.streaming import StreamingFeatDiff

_WINDOW_FRAMES = 64
_PRODUCT_SIZE = 1024


@dataclass(frozen=True, slots=True)
class Timing:
    """Milliseconds of processor time of one call: lowest 5 % (nearest to a quiet machine), quartiles, median."""

    lowest_ms: float
    low_ms: float
    median_ms: float
    high_ms: float
    turns: int


class PlainBackbone(nn.Module):
    """The backbone operation by operation as the network is trained."""

    def __init__(self, model: StreamingFeatDiff) -> None:
        super().__init__()
        self.config, self.backbone = model.config, model.backbone

    def forward(self, frames: Tensor) -> Tensor:
        luma = (frames.to(torch.float32) / 255 - self.config.pixel_mean) / self.config.pixel_std
        maps = self.backbone.fcc(self.backbone.conv_stack(luma[:, None]))
        return per_gradient(soft_correspondence(maps))


class PublishedBackbone(PlainBackbone):
    """The same with CCC's hard choice and nothing after it, operation by operation as published."""

    def forward(self, frames: Tensor) -> Tensor:
        luma = (frames.to(torch.float32) / 255 - self.config.pixel_mean) / self.config.pixel_std
        maps = self.backbone.fcc(self.backbone.conv_stack(luma[:, None]))
        nodes = maps.flatten(2).transpose(1, 2)
        unit = nn.functional.normalize(nodes, dim=2)
        nearest = torch.matmul(unit, unit.transpose(1, 2)).topk(NEIGHBOURS, dim=2).indices
        wanted = nearest[..., None].expand(-1, -1, -1, FEATURE_CHANNELS)
        neighbours = nodes[:, None].expand(-1, nodes.shape[1], -1, -1).gather(2, wanted)
        edges = (neighbours - nodes[:, :, None]).amax(2)
        out: Tensor = maps + torch.relu(nodes + edges).transpose(1, 2).reshape(maps.shape)
        return out


def in_turns(calls: dict[str, Callable[[], object]], seconds: float) -> dict[str, Timing]:
    """Time calls one after the other, over and over for about `seconds`, after one turn that does not count."""
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        call()
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for name, call in calls.items():
            start = time.thread_time()
            call()
            taken[name].append((time.thread_time() - start) * 1000)
    return {name: _timing(spent) for name, spent in taken.items()}


def _timing(spent: list[float]) -> Timing:
    lowest, low, median, high = (float(value) for value in np.percentile(spent, (5, 25, 50, 75)))
    return Timing(lowest, low, median, high, len(spent))


def backbones(seconds: float) -> dict[str, Any]:
    """Plain export against the forms that ship, on the same weights, each frame another."""
    torch.manual_seed(0)
    model = StreamingFeatDiff().train()
    with torch.no_grad():
        model.feature_maps(torch.rand(32, 128, 128) * 255)  # statistics that are worth folding
    model.eval()
    step = step_graphs(model).backbone
    clip = np.random.default_rng(0).integers(0, 256, (_WINDOW_FRAMES, 128, 128), dtype=np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        published = _session(PublishedBackbone(model), Path(folder) / "published.onnx")
        plain = _session(PlainBackbone(model), Path(folder) / "plain.onnx")
        every = _session(step, Path(folder) / "every.onnx")
    for_cpu = NodeBackbone(cpu_backbone(step).SerializeToString(), threads=1)
    product = _matrix_product()
    frames = itertools.cycle(clip)

    def frame() -> NDArray[np.uint8]:
        return next(frames)

    timings = in_turns(
        {
            "published, plain export": lambda: published(frame()[None]),
            "plain export": lambda: plain(frame()[None]),
            "every backend's graph": lambda: every(frame()[None]),
            "for CPUs": lambda: for_cpu(frame()),
            "matrix product": product,
        },
        seconds,
    )
    reached = 2 * BACKBONE_MACS / timings["for CPUs"].median_ms / 1e6
    ceiling = 2 * _PRODUCT_SIZE**3 / timings["matrix product"].median_ms / 1e6
    features = plain(clip[:1])[0]
    nodes = features.reshape(FEATURE_CHANNELS, -1).T
    return {
        "timings": {name: asdict(timing) for name, timing in timings.items()},
        "times_faster": {
            name: timings["plain export"].median_ms / timings[name].median_ms
            for name in ("every backend's graph", "for CPUs")
        },
        "largest_difference": {
            "every backend's graph": float(np.abs(features - every(clip[:1])[0]).max()),
            "for CPUs": float(np.abs(nodes - for_cpu(clip[0])).max()),
        },
        "largest_feature": float(np.abs(features).max()),
        "gflops": reached,
        "matrix_product_gflops": ceiling,
        "share_of_ceiling": reached / ceiling,
    }


def heads(seconds: float) -> dict[str, Any]:
    """One position by either form of the head; weights do not matter for the time."""
    torch.manual_seed(0)
    head = step_graphs(StreamingFeatDiff()).head
    random = np.random.default_rng(0)
    differences = random.normal(size=(1, 3, 128, 16, 16)).astype(np.float32)
    slices = np.zeros((1, 2, 64, 16, 8), np.float32)
    full = FullHead.load(_exported_head(head), threads=1)
    int8 = Int8Head.load(int8_head(head).SerializeToString(), threads=1)
    int8.inputs[0][:] = differences[0, 2].reshape(128, 256).T
    timings = in_turns(
        {
            "full precision": lambda: full(differences, slices),
            "8-bit integers": int8,
        },
        seconds,
    )
    return {name: asdict(timing) for name, timing in timings.items()}


def scores(seconds: float) -> dict[str, Any]:
    """One more score: a step of the shipped engine against the published recomputation."""
    model = read_model_folder(find_model("default"))
    if model.for_cpu is None:
        torch.manual_seed(0)
        graphs = step_graphs(StreamingFeatDiff())
        for_cpu = (cpu_backbone(graphs.backbone), int8_head(graphs.head))
        model = replace(model, for_cpu=CpuGraphs(*(graph.SerializeToString() for graph in for_cpu)))
    clip = np.random.default_rng(0).integers(0, 256, (_WINDOW_FRAMES, 128, 128), dtype=np.uint8)
    published = FeatDiff().eval()
    window = torch.from_numpy(clip)[None]

    def recompute() -> object:
        with torch.inference_mode():
            return published(window)

    steps = {
        f"{name}, streams: {streams}": (_steps(OnnxEngine(form), streams, clip), streams)
        for name, form in (("every backend's graphs", replace(model, for_cpu=None)), ("graphs for CPUs", model))
        for streams in (1, 8)
    }
    # Several steps to a turn: one is short beside the recomputation, which leaves the cache cold.
    turns = {f"{name}, {turn}": step for name, (step, _) in steps.items() for turn in range(8)}
    timings = in_turns({"published": recompute, **turns}, seconds)
    found: dict[str, Any] = {"published, 64 frames again": asdict(timings["published"])}
    for name, (_, streams) in steps.items():
        per_frame = {
            kind: float(np.median([getattr(timings[f"{name}, {turn}"], kind) for turn in range(1, 8)])) / streams
            for kind in ("lowest_ms", "low_ms", "median_ms", "high_ms")
        }
        times = timings["published"].median_ms / per_frame["median_ms"]
        found[name] = {"per_frame": per_frame, "times_less": times}
    return found


def _steps(engine: OnnxEngine, streams: int, clip: NDArray[np.uint8]) -> Callable[[], object]:
    engine.open(streams)
    slots, continues = np.arange(streams, dtype=np.int32), np.ones(streams, np.bool_)
    turn = iter(range(10**9))
    return lambda: engine.step(slots, clip[(next(turn) + 7 * slots) % len(clip)], continues)


def _exported_head(head: HeadStep) -> bytes:
    inputs = {"differences": torch.zeros(2, 3, 128, 16, 16), "earlier_slices": torch.zeros(2, 2, 64, 16, 8)}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "head.onnx"
        write_graph(head, path, inputs, ["slice", "position"])
        return path.read_bytes()


def _matrix_product() -> BoundGraph:
    """By the library that runs the engine: torch's product reaches half of it on processors other than Intel's."""
    shape = (_PRODUCT_SIZE, _PRODUCT_SIZE)
    square = f"float[{_PRODUCT_SIZE}, {_PRODUCT_SIZE}]"
    text = f'<ir_version: 9, opset_import: ["": 18]> g ({square} a, {square} b) => ({square} c) {{ c = MatMul(a, b) }}'
    graph = BoundGraph("product", onnx.parser.parse_model(text).SerializeToString(), 1, [shape, shape], [shape])
    for factor in graph.inputs:
        factor[:] = np.random.default_rng(0).normal(size=shape)
    return graph


def _session(
    module: BackboneStep | PlainBackbone, path: Path
) -> Callable[[np.ndarray[Any, Any]], np.ndarray[Any, Any]]:
    write_graph(module.eval(), path, {"frames": torch.zeros(2, 128, 128, dtype=torch.uint8)}, ["maps"])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session: Any = onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
    return lambda frames: session.run(None, {"frames": frames})[0]


def main() -> None:
    """Print the figures, and write them where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0, help="time for each of the three parts")
    parser.add_argument("--json", type=Path, help="file for the figures")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    found = {
        "machine": describe_machine(),
        "command": f"python -m tests.bench.engine_on_cpu --seconds {arguments.seconds:g}",
        "backbone": backbones(arguments.seconds),
        "head": heads(arguments.seconds),
        "score": scores(arguments.seconds),
    }
    text = json.dumps(found, indent=2)
    print(text)  # noqa: T201 - a command
    if arguments.json:
        arguments.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
