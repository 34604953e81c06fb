"""Renders the calls on which opinions are weighed (`guard-train fusion calls`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np

from training.data.array_file import save_arrays
from training.data.calls import FPS, crops_of
from training.data.recipe import RECIPE, claim, refuse_foreign
from training.evaluate import CallProtocol
from training.evaluation.witness_calls import SIDES, Arrays, call_file


def render_calls(protocol: CallProtocol, out: Path, advance: Callable[[int], None]) -> None:
    """Keep one file for each driver in a folder; those that are there already are kept.

    advance: is told how many are done. Raises DataError for a folder of other calls.
    """
    recipe = out / RECIPE
    refuse_foreign(out, recipe)
    wanted = asdict(protocol)
    del wanted["processes"]
    claim(recipe, wanted, kept=recipe.exists())
    sides = protocol.recordings()
    missing = [number for number in range(len(sides)) if not call_file(out, number).exists()]
    crops = crops_of([recording for number in missing for recording in sides[number]], protocol.processes)
    for done, number in enumerate(missing, len(sides) - len(missing) + 1):
        enrol, _ = sides[number]
        arrays: Arrays = {"driver": np.array(enrol.driver), "face": np.array(enrol.face), "fps": np.array(FPS)}
        arrays |= {f"{side}_frames": next(crops) for side in SIDES}
        save_arrays(call_file(out, number), arrays)
        advance(done)
