"""Renders the calls on which opinions are weighed, and what the engine makes of them (`guard-train fusion calls`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engines.protocol import Engine
from training.data.array_file import save_arrays
from training.data.calls import FPS, crops_of
from training.data.recipe import RECIPE, claim, refuse_foreign
from training.evaluate import CallProtocol
from training.evaluation.streams import stream_clip
from training.evaluation.witness_calls import SIDES, Arrays, call_file

TRACKED_HZ = 12.5
"""Pictures a second that are tracked, as the guard does unless it is told otherwise."""


def render_calls(engine: Engine, protocol: CallProtocol, out: Path, advance: Callable[[int], None]) -> None:
    """Keep one file for each driver in a folder; those that are there already are kept.

    advance: is told how many are done. Raises DataError for a folder of other calls.
    """
    recipe = out / RECIPE
    refuse_foreign(out, recipe)
    wanted = {**asdict(protocol), "engine": engine.spec.model_sha256, "tracked_hz": TRACKED_HZ}
    del wanted["processes"]
    claim(recipe, wanted, kept=recipe.exists())
    sides = protocol.recordings()
    missing = [number for number in range(len(sides)) if not call_file(out, number).exists()]
    crops = crops_of([recording for number in missing for recording in sides[number]], protocol.processes)
    for done, number in enumerate(missing, len(sides) - len(missing) + 1):
        enrol, _ = sides[number]
        arrays: Arrays = {"driver": np.array(enrol.driver), "face": np.array(enrol.face)}
        for side in SIDES:
            arrays |= _heard(engine, side, next(crops))
        save_arrays(call_file(out, number), arrays)
        advance(done)


def tracked_frames(frames: int, fps: float, rate_hz: float) -> NDArray[np.int64]:
    """Which of so many frames are tracked, int64 (m,): the first behind each step of an even grid in time."""
    steps = np.arange(int(np.ceil(frames / fps * rate_hz)))
    chosen: NDArray[np.int64] = np.ceil(steps * (fps / rate_hz) - 1e-6).astype(np.int64)
    return chosen[chosen < frames]


def _heard(engine: Engine, side: str, clip: NDArray[np.uint8]) -> Arrays:
    embeddings, valid = stream_clip(engine, clip)
    chosen = tracked_frames(len(clip), FPS, TRACKED_HZ)
    values = {"embeddings": embeddings, "valid": valid, "pictures": clip[chosen], "seconds": chosen / FPS}
    return {f"{side}_{name}": np.asarray(value) for name, value in values.items()}
