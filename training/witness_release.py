"""Stand-in for the writer of witness folders until that is merged: the same names, without manifest and checks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class WitnessDraft:
    """A witness's spec before it has a hash; `llr = slope * score + offset` on drivers disjoint from training."""

    name: str
    version: str
    reads: Literal["signals", "blendshapes"]
    rate_hz: float
    window_frames: int
    embedding_size: int
    slope: float
    offset: float


def write_witness(
    folder: Path, draft: WitnessDraft, embed_onnx: bytes, cohort: NDArray[np.float32], card: Mapping[str, Any]
) -> None:
    """Write a witness to `folder`, in place of what lies there."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "embed.onnx").write_bytes(embed_onnx)
    np.save(folder / "cohort.npy", cohort)
    (folder / "witness.json").write_text(json.dumps({**asdict(draft), **card}, indent=2) + "\n")
