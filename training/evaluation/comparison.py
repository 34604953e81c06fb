"""Trained networks side by side: same clips, same trials, several seeds each, intervals over drivers.

A folder of runs is laid out ROW/SEED/checkpoint.pt; runs of one row differ in their seed alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from training.embedding import through_network
from training.errors import CheckpointError, DataError
from training.evaluate import DriverEmbeddings, cosine, embed_windows, pooled_trials, window_trials
from training.evaluation.bench_clips import BenchClips
from training.evaluation.kept_arrays import kept_rows
from training.fit import CHECKPOINT, load_network
from training.metrics import Estimate, Trials, Weights, resampled
from training.models.landmark_net import LandmarkNet

_ROUNDS = 500

POOLINGS = ("one window", "four pooled")
"""The two kinds of trial: one window against one window, and all of a side against all of the other."""

Measure = Callable[[Trials, Weights | None], float]


@dataclass(frozen=True, slots=True)
class Lessening:
    """How much less error a row has than a reference, 1 - (1 - AUC) / (1 - AUC of the reference), on the same draws of
    drivers, and whether the intervals of their two areas stay apart."""

    row: str
    reference: str
    share: Estimate
    apart: bool


def runs_of(folder: Path) -> dict[str, list[Path]]:
    """Runs by row. Raises CheckpointError where there are none."""
    runs: dict[str, list[Path]] = {}
    for checkpoint in sorted(folder.glob(f"*/*/{CHECKPOINT}")):
        runs.setdefault(checkpoint.parent.parent.name, []).append(checkpoint.parent)
    if not runs:
        raise CheckpointError(f"no runs in {folder}; a comparison needs ROW/SEED/{CHECKPOINT}, each made by `fit`")
    return runs


def kept_embeddings(
    run: Path, name: str, frames: NDArray[np.uint8], landmarks: NDArray[np.float16] | None, kept: Path
) -> NDArray[np.float32]:
    """What a run makes of clips, float32 (n, D): read again where `kept` holds what these weights made of these frames.

    frames: uint8 (n, T, 128, 128). landmarks: float16 (n, T, 95, 2), which one network reads instead; it raises
    CheckpointError where there are none.
    """

    def embed() -> NDArray[np.float32]:
        network = load_network(run)
        if isinstance(network, LandmarkNet) and landmarks is not None:
            with torch.no_grad():
                rows: NDArray[np.float32] = network(torch.from_numpy(landmarks).float()).numpy()
            return rows
        return embed_windows(frames, through_network(network))

    return kept_rows(f"{run.parent.name}_{run.name}_{name}", (run / CHECKPOINT).read_bytes(), frames, kept, embed)


def by_driver(clips: BenchClips, embeddings: NDArray[np.float32]) -> list[DriverEmbeddings]:
    """Rows of embeddings as the two sides of each driver on each face."""
    return cross_sides(clips, embeddings, clips, embeddings)


def cross_sides(
    enrolled: BenchClips,
    enrolled_rows: NDArray[np.float32],
    probed: BenchClips,
    probed_rows: NDArray[np.float32],
) -> list[DriverEmbeddings]:
    """Enrolled on the clips of one bench, probed on those of another with the same drivers and faces."""
    found = []
    for face, driver in sorted(set(zip(enrolled.face.tolist(), enrolled.driver.tolist(), strict=True))):
        enrol = (enrolled.face == face) & (enrolled.driver == driver) & ~enrolled.probe
        probe = (probed.face == face) & (probed.driver == driver) & probed.probe
        if enrol.any() and probe.any():
            found.append(DriverEmbeddings(driver, face, enrolled_rows[enrol], probed_rows[probe]))
    if len(found) < 2:
        raise DataError("the two benches share no drivers and faces; render both from the same material")
    return found


def trials_of(rows: Sequence[DriverEmbeddings]) -> dict[str, Trials]:
    """The trials of each of `POOLINGS`."""
    return dict(zip(POOLINGS, (window_trials(rows, cosine), pooled_trials(rows, cosine)), strict=True))


def over_seeds(seeds: Sequence[Trials], measure: Measure) -> tuple[Estimate, Weights]:
    """Mean of a measure over runs of one row, with its interval over drivers, and its value in every draw.

    seeds: the same trials in the same order, scored by each run. The draws depend on the drivers alone, so those of two
    rows on one bench belong together. Raises DataError where no draw leaves both kinds of trial.
    """
    values = []
    for weights in resampled(seeds[0], _ROUNDS, seed=0):
        try:
            values.append(float(np.mean([measure(trials, weights) for trials in seeds])))
        except DataError:
            values.append(np.nan)
        if len(values) == _ROUNDS:
            break
    drawn = np.array(values)
    if np.isnan(drawn).all():
        raise DataError("the drivers are too few to resample")
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    value = float(np.mean([measure(trials, None) for trials in seeds]))
    return Estimate(value, float(low), float(high)), drawn


def lessening(areas: Mapping[str, tuple[Estimate, Weights]], row: str, reference: str) -> Lessening:
    """Compare two rows of areas that `over_seeds` gave."""
    (own, own_drawn), (other, other_drawn) = areas[row], areas[reference]
    low, high = np.nanpercentile(1 - (1 - own_drawn) / (1 - other_drawn), [2.5, 97.5])
    share = Estimate(1 - (1 - own.value) / (1 - other.value), float(low), float(high))
    return Lessening(row, reference, share, own.low > other.high or other.low > own.high)
