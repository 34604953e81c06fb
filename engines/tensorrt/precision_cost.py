"""What half precision costs an engine, found on the CPU: `python -m engines.tensorrt.precision_cost NAME CROPS.npy`.

Each graph runs node by node, in half and in fp32, over the same frames; state between frames is the CPU engine's, with
the differences rounded as a GPU keeps them. TensorRT fuses layers and so rounds less often: its own figures should be
no worse, and are to be measured where there is a GPU.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engines.golden import golden_clip
from engines.model_folder import ModelFolder, read_model_folder
from engines.optical_flow import FlowHistory
from engines.protocol import FRAME_SIZE_PX
from engines.registry import DEFAULT_MODEL, find_model
from engines.slot_state import TEMPORAL_MARGIN, FloatArray, MotionHistory, PositionWindow
from engines.tensorrt.model_plans import engine_graphs
from engines.tensorrt.node_by_node import NodeByNode
from engines.tensorrt.precision import Precision

_BATCH = 16

Frames = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one clip in one precision. maps: (n, 128, 16, 16). embeddings: (n, D), zeros where no position counts yet."""

    maps: FloatArray
    embeddings: FloatArray


@dataclass(frozen=True, slots=True)
class PrecisionCost:
    """Half against fp32 over one clip."""

    frames: int
    map_error: float
    """Norm of the maps' difference over the norm of the maps."""
    difference_error: float
    """The same of the consecutive differences, which are what the head sees."""
    cosine_min: float
    cosine_median: float
    """Of embeddings, over the frames from the first full window on."""
    largest_value: float
    """In the maps; half holds up to 65,504."""


def precision_cost(model: ModelFolder, frames: Frames, continues: NDArray[np.bool_]) -> PrecisionCost:
    """frames: uint8 (n, 128, 128), at least a window of them. continues: bool (n,)."""
    full, half = (run_clip(model, precision, frames, continues) for precision in ("fp32", "fp16"))
    windows = slice(model.spec.window_frames - 1, None)
    cosines = (full.embeddings * half.embeddings).sum(axis=1)[windows]
    motion_full, motion_half = (np.diff(outcome.maps, axis=0)[continues[1:]] for outcome in (full, half))
    return PrecisionCost(
        frames=len(frames),
        map_error=_relative(half.maps, full.maps),
        difference_error=_relative(motion_half, motion_full),
        cosine_min=float(cosines.min()),
        cosine_median=float(np.median(cosines)),
        largest_value=float(np.abs(half.maps).max()),
    )


def run_clip(model: ModelFolder, precision: Precision, frames: Frames, continues: NDArray[np.bool_]) -> Outcome:
    """Stream a clip through the graphs of one precision."""
    graphs = engine_graphs(model, precision)
    maps = _backbone(graphs["backbone"], frames)
    head, embedding = NodeByNode(graphs["head"]), NodeByNode(graphs["embedding"])
    dtype = np.float16 if precision == "fp16" else np.float32
    history, flow, window = MotionHistory(1), FlowHistory(1), PositionWindow(1, model.spec.window_positions)
    slot = np.zeros(1, np.int32)
    embeddings = np.zeros((len(frames), model.spec.embedding_size), np.float32)
    for t, newest in enumerate(maps):
        differences = history.push_map(0, newest, bool(continues[t])).astype(dtype)
        new_slice, pooled = head.run(differences[None], history.slices(0).astype(dtype)[None])
        history.push_slice(0, new_slice[0].astype(np.float32))
        position = np.concatenate([pooled[0], flow.push_frame(0, frames[t], bool(continues[t]))])[None]
        window.push(slot, position, history.run_frames(slot) > TEMPORAL_MARGIN)
        moments, valid_fraction = window.moments(slot)
        if valid_fraction[0] > 0:
            embeddings[t] = embedding.run(moments)[0][0]
    return Outcome(maps, embeddings)


def _backbone(graph: bytes, frames: Frames) -> FloatArray:
    runner = NodeByNode(graph)
    batches = [runner.run(frames[start : start + _BATCH])[0] for start in range(0, len(frames), _BATCH)]
    return np.concatenate(batches).astype(np.float32)


def _relative(found: FloatArray, wanted: FloatArray) -> float:
    return float(np.linalg.norm(found - wanted) / np.linalg.norm(wanted))


def _clip(path: Path | None, window_frames: int) -> tuple[Frames, NDArray[np.bool_]]:
    if path is None:
        return golden_clip(window_frames)
    frames: NDArray[Any] = np.load(path, allow_pickle=False)
    if frames.dtype != np.uint8 or frames.shape[1:] != (FRAME_SIZE_PX, FRAME_SIZE_PX) or len(frames) < window_frames:
        sys.exit(f"error: {path} must hold uint8 (n, 128, 128) with n of at least {window_frames}")
    return frames, np.arange(len(frames)) > 0


def main() -> None:
    """Print the cost on the golden clip, or on consecutive crops of a file."""
    parser = argparse.ArgumentParser(prog="python -m engines.tensorrt.precision_cost", description=__doc__)
    parser.add_argument("name", nargs="?", default=DEFAULT_MODEL, help="a shipped engine's name or a folder's path")
    parser.add_argument("crops", nargs="?", type=Path, help="uint8 (n, 128, 128) as .npy; else the golden clip")
    arguments = parser.parse_args()
    model = read_model_folder(find_model(arguments.name))
    cost = precision_cost(model, *_clip(arguments.crops, model.spec.window_frames))
    sys.stdout.write(
        f"{cost.frames} frames: error of maps {cost.map_error:.1e}, of differences {cost.difference_error:.1e}; "
        f"embedding cosine {cost.cosine_min:.6f} at least, {cost.cosine_median:.6f} in the median; largest value "
        f"{cost.largest_value:.1f}\n"
    )


if __name__ == "__main__":
    main()
