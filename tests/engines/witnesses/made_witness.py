"""A witness to test with: its embedding says how much each channel moves within the window, nothing else."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from engines.expressions.series import Reads
from engines.witnesses.protocol import CHANNELS
from training.witness_release import Movements, WitnessDraft, write_witness

WINDOW_FRAMES = 16
RATE_HZ = 8.0

CARD = {
    "licence": "Apache-2.0",
    "training_data": "none: it is a formula",
    "limits": "Recognises drawn drivers only.",
    "metrics": [
        {
            "name": "EER",
            "value": 0.1,
            "low": 0.05,
            "high": 0.2,
            "drivers": 9,
            "trials": 90,
            "about": "made up for tests",
        }
    ],
}


def spread_graph(reads: Reads, window_frames: int = WINDOW_FRAMES, *, normalised: bool = True) -> bytes:
    """Mean absolute deviation of each channel from its mean over the window, L2-normalised."""
    channels = CHANNELS[reads]
    nodes = [
        helper.make_node("ReduceMean", ["windows"], ["mean"], axes=[1], keepdims=1),
        helper.make_node("Sub", ["windows", "mean"], ["centred"]),
        helper.make_node("Abs", ["centred"], ["moved"]),
        helper.make_node("ReduceMean", ["moved"], ["spread"], axes=[1], keepdims=0),
        helper.make_node("Add", ["spread", "floor"], ["raw"]),
        helper.make_node("LpNormalization", ["raw"], ["embeddings"], axis=1, p=2)
        if normalised
        else helper.make_node("Identity", ["raw"], ["embeddings"]),
    ]
    graph = helper.make_graph(
        nodes,
        "spread",
        [helper.make_tensor_value_info("windows", TensorProto.FLOAT, ["n", window_frames, channels])],
        [helper.make_tensor_value_info("embeddings", TensorProto.FLOAT, ["n", channels])],
        [helper.make_tensor("floor", TensorProto.FLOAT, [1], [1e-3])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def made_cohort(size: int, rows: int = 24, seed: int = 5) -> NDArray[np.float32]:
    """Strangers: float32 (rows, size), L2-normalised, none negative."""
    cohort = np.random.default_rng(seed).gamma(1.0, 1.0, size=(rows, size))
    unit: NDArray[np.float32] = (cohort / np.linalg.norm(cohort, axis=1, keepdims=True)).astype(np.float32)
    return unit


def draft(name: str, reads: Reads, **changed: object) -> WitnessDraft:
    fields: dict[str, object] = {
        "name": name,
        "version": "0.1",
        "reads": reads,
        "rate_hz": RATE_HZ,
        "window_frames": WINDOW_FRAMES,
        "embedding_size": CHANNELS[reads],
        "slope": 1.5,
        "offset": -1.0,
        **changed,
    }
    return WitnessDraft(**fields)  # type: ignore[arg-type]


def small_picture(shade: int) -> bytes:
    """An 8x8 grey PNG."""
    rows = b"".join(b"\0" + bytes([shade]) * 8 for _ in range(8))
    parts = [(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 0)), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    chunks = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def made_movements(tokens: int = 52) -> Movements:
    """Words and a picture for every second entry."""
    explained = range(0, tokens, 2)
    return Movements(
        [
            {"token": k, "words": f"movement {k}", "picture": f"pictures/{k}.png", "limits": "drawn for tests"}
            for k in explained
        ],
        {f"pictures/{k}.png": small_picture(k) for k in explained},
    )


def write_made_witness(folder: Path, name: str, reads: Reads, movements: Movements | None = None) -> Path:
    """A whole witness folder under `folder`; returns it."""
    path = folder / name
    write_witness(
        path, draft(name, reads), spread_graph(reads), made_cohort(CHANNELS[reads]), CARD, movements=movements
    )
    return path
