"""What an engine makes of rendered calls (`guard-train fusion hear`), by its streaming path."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from engines.protocol import Engine
from training.data.array_file import save_arrays
from training.evaluation.streams import stream_clip
from training.evaluation.witness_calls import SIDES, Arrays, call_files, heard_file, opened


def hear_calls(engine: Engine, calls: Path, advance: Callable[[int], None]) -> None:
    """Keep the engine's embedding of every frame beside each call; what another engine said is replaced.

    advance: is told how many are done. Raises DataError for a folder without calls, or a damaged one.
    """
    for done, path in enumerate(call_files(calls), 1):
        if not _heard_by(engine, heard_file(path)):
            arrays: Arrays = {"engine": np.array(engine.spec.model_sha256)}
            with opened(path) as rendered:
                arrays |= {f"{side}_embeddings": stream_clip(engine, rendered[f"{side}_frames"])[0] for side in SIDES}
            save_arrays(heard_file(path), arrays)
        advance(done)


def _heard_by(engine: Engine, kept: Path) -> bool:
    if not kept.exists():
        return False
    with opened(kept) as heard:
        return str(heard["engine"]) == engine.spec.model_sha256
