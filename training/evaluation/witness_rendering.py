"""Renders the calls on which opinions are weighed, and what the engine makes of them (`guard-train fusion calls`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engines.protocol import Engine
from training.data.calls import FPS
from training.data.recipe import RECIPE, claim, refuse_foreign
from training.evaluate import CallProtocol, CallSides, call_sides
from training.evaluation.streams import stream_clip
from training.evaluation.witness_calls import SIDES, Arrays, call_file, save

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
    every = protocol.faces * protocol.drivers_per_face
    if all(call_file(out, number).exists() for number in range(every)):
        return
    for number, sides in enumerate(call_sides(protocol)):
        path = call_file(out, number)
        if not path.exists():
            save(path, _rendered(engine, sides))
        advance(number + 1)


def tracked_frames(frames: int, fps: float, rate_hz: float) -> NDArray[np.int64]:
    """Which of so many frames are tracked, int64 (m,): the first behind each step of an even grid in time."""
    steps = np.arange(int(np.ceil(frames / fps * rate_hz)))
    chosen: NDArray[np.int64] = np.ceil(steps * (fps / rate_hz) - 1e-6).astype(np.int64)
    return chosen[chosen < frames]


def _rendered(engine: Engine, sides: CallSides) -> Arrays:
    arrays: Arrays = {"driver": np.array(sides.driver), "face": np.array(sides.face)}
    for side, clip in zip(SIDES, (sides.enrol, sides.probe), strict=True):
        embeddings, valid = stream_clip(engine, clip)
        chosen = tracked_frames(len(clip), FPS, TRACKED_HZ)
        arrays[f"{side}_embeddings"], arrays[f"{side}_valid"] = embeddings, valid
        arrays[f"{side}_pictures"], arrays[f"{side}_seconds"] = clip[chosen], chosen / FPS
    return arrays
