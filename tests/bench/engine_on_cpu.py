"""The CPU engine against the same network left as published, in one run on one thread.

    python -m tests.bench.engine_on_cpu --seconds 20 --json engine_on_cpu.json

1. One frame through the backbone: the graph that ships (batch normalisation folded, FCC as matrix products, rows
   gathered by index) against a plain export of the published operations, same weights, and both against the arithmetic
   that this machine reaches in a matrix product.
2. One new score: a step of the engine against the published way, which computes all 64 frames again, in PyTorch.

What runs is run in turns, so that other work on the machine meets all alike.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from torch import Tensor, nn

from engines.registry import load_engine
from guard.bench.machine import describe_machine
from training.export import write_graph
from training.models.f5c import FEATURE_CHANNELS, NEIGHBOURS
from training.models.feat_diff import FeatDiff
from training.models.step_graphs import BackboneStep, step_graphs
from training.models.streaming import StreamingFeatDiff

_WINDOW_FRAMES = 64
_BACKBONE_MMAC = 16.35
"""Multiply-adds of one frame: stem 6.92, FCC 1.05, similarity 8.39."""
_PRODUCT_SIZE = 1024


@dataclass(frozen=True, slots=True)
class Timing:
    """Milliseconds of one call: median and quartiles over all turns."""

    median_ms: float
    low_ms: float
    high_ms: float
    turns: int


class PlainBackbone(nn.Module):
    """The backbone operation by operation as published, on the streaming network's weights."""

    def __init__(self, model: StreamingFeatDiff) -> None:
        super().__init__()
        self.config, self.backbone = model.config, model.backbone

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
            start = time.perf_counter()
            call()
            taken[name].append((time.perf_counter() - start) * 1000)
    return {name: _timing(spent) for name, spent in taken.items()}


def _timing(spent: list[float]) -> Timing:
    low, median, high = (float(value) for value in np.percentile(spent, (25, 50, 75)))
    return Timing(median, low, high, len(spent))


def backbones(seconds: float) -> dict[str, Any]:
    """Plain export against the graph that ships, on the same weights and frames."""
    torch.manual_seed(0)
    model = StreamingFeatDiff().train()
    with torch.no_grad():
        model.feature_maps(torch.rand(32, 128, 128) * 255)  # statistics that are worth folding
    model.eval()
    frame = np.random.default_rng(0).integers(0, 256, (1, 128, 128), dtype=np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        plain = _session(PlainBackbone(model), Path(folder) / "plain.onnx")
        shipped = _session(step_graphs(model).backbone, Path(folder) / "shipped.onnx")
    product = torch.rand(2, _PRODUCT_SIZE, _PRODUCT_SIZE)
    timings = in_turns(
        {
            "plain export": lambda: plain(frame),
            "shipped graph": lambda: shipped(frame),
            "matrix product": lambda: product[0] @ product[1],
        },
        seconds,
    )
    reached = 2 * _BACKBONE_MMAC * 1e6 / timings["shipped graph"].median_ms / 1e6
    ceiling = 2 * _PRODUCT_SIZE**3 / timings["matrix product"].median_ms / 1e6
    return {
        "timings": {name: asdict(timing) for name, timing in timings.items()},
        "times_faster": timings["plain export"].median_ms / timings["shipped graph"].median_ms,
        "largest_difference": float(np.abs(plain(frame) - shipped(frame)).max()),
        "largest_feature": float(np.abs(plain(frame)).max()),
        "gflops": reached,
        "matrix_product_gflops": ceiling,
        "share_of_ceiling": reached / ceiling,
    }


def scores(seconds: float) -> dict[str, Any]:
    """One more score of one stream: a step of the shipped engine against the published recomputation."""
    engine = load_engine("default", "onnx")
    engine.open(1)
    slots, continues = np.zeros(1, np.int32), np.ones(1, np.bool_)
    clip = np.random.default_rng(0).integers(0, 256, (_WINDOW_FRAMES, 128, 128), dtype=np.uint8)
    published = FeatDiff().eval()
    window = torch.from_numpy(clip)[None]
    turn = iter(range(10**9))

    def step() -> object:
        return engine.step(slots, clip[None, next(turn) % _WINDOW_FRAMES], continues)

    def recompute() -> object:
        with torch.inference_mode():
            return published(window)

    timings = in_turns(
        {"published, 64 frames again": recompute, **{f"engine step {n}": step for n in range(8)}}, seconds
    )
    steps = [timing for name, timing in timings.items() if name.startswith("engine")]
    own = float(np.median([timing.median_ms for timing in steps]))
    engine.close()
    again = timings["published, 64 frames again"]
    return {
        "published": asdict(again),
        "engine_step_ms": own,
        "times_less": again.median_ms / own,
    }


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
    parser.add_argument("--seconds", type=float, default=20.0, help="time for each of the two parts")
    parser.add_argument("--json", type=Path, help="file for the figures")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    found = {
        "machine": describe_machine(),
        "command": f"python -m tests.bench.engine_on_cpu --seconds {arguments.seconds:g}",
        "backbone": backbones(arguments.seconds),
        "score": scores(arguments.seconds),
    }
    text = json.dumps(found, indent=2)
    print(text)  # noqa: T201 - a command
    if arguments.json:
        arguments.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
