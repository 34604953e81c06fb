"""`guard-train expressions witness`: fit on training drivers, calibrate on others, measure on others again, write.

Every driver is heard through the tracker's measured noise. Validation drivers calibrate and make the cohort, test
drivers are measured; neither is in training.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engines.comparison import mean_embedding
from training.cohort import Cohort, build_cohort, calibrate_on, procedural_trials, real_trials
from training.data.recipe import refuse_foreign
from training.errors import DataError
from training.evaluate import DriverEmbeddings
from training.expression_dynamics.motion_signals import WITNESS_HZ
from training.expression_dynamics.recordings import Floats
from training.expression_dynamics.tracker_noise import TrackerNoise
from training.expression_dynamics.windows import cut
from training.expression_dynamics.witness_material import (
    DriverSeries,
    as_tracked,
    witness_material,
)
from training.expression_dynamics.witness_network import WitnessNetwork, as_onnx, embed, fit_witness
from training.metrics import Estimate, Trials, over_drivers, pooled_area, pooled_equal_error
from training.witness_release import WitnessDraft, write_witness

NAME = "expression_dynamics"
_SIGNALS = 17
_HELD_SEEDS = 64
"""Procedural drivers that calibrate, that make the cohort, and that are measured: so many of each."""
_ENROLLED_SECONDS = 20.0
_POOLED_SECONDS = 10.0
_HOP_SHARE = 2 / 3
"""Training windows overlap by the rest: more of them, and not the same twice."""
_NOISE_SEEDS = {"train": 1, "val": 2, "test": 3}
_FIRST_NUMBERS = {"val": 0, "test": 100_000}
"""Of drivers, so that nobody is taken for one of the people whom rows of the cohort are blends of."""


@dataclass(frozen=True, slots=True)
class WitnessConfig:
    """frames: of a window at 12.5 a second. passes: how often training hears everybody, with other noise each time."""

    frames: int = 31
    size: int = 24
    seeds: int = 1000
    passes: int = 1
    variants: bool = True


@dataclass(frozen=True, slots=True)
class Group:
    """Trials of one kind of driver: a template against single windows, and against 10 s of them pooled."""

    kind: str
    single: Trials
    pooled: Trials | None


@dataclass(frozen=True, slots=True)
class FittedWitness:
    """A witness and what was measured with it."""

    network: WitnessNetwork
    draft: WitnessDraft
    cohort: Cohort
    groups: tuple[Group, ...]
    training_drivers: int
    training_windows: int


def make_witness(
    config: WitnessConfig, data: Path | None, version: str, tell: Callable[[str], None] = lambda _: None
) -> FittedWitness:
    """Fit, calibrate and measure. data: folder with tracks/ and faces/; without it, procedural drivers alone.

    Raises DataError where tracks are unfit or drivers too few.
    """
    tell("training drivers")
    drivers = witness_material("train", data, config.seeds, variants=config.variants)
    network, windows = _fit(drivers, config)
    tell(f"{windows} windows of {len(drivers)} training drivers; calibrating")
    val = _rows(network, witness_material("val", data, _HELD_SEEDS), config, "val")
    strangers = _rows(network, witness_material("val", None, _HELD_SEEDS, skip=_HELD_SEEDS), config, "val")
    real = [one for one in val if one.real]
    cohort = build_cohort([one.rows for one in strangers], [one.rows for one in real])
    trials = [group.single for group in _groups(val, cohort, config)]
    fitted = calibrate_on(trials)
    draft = WitnessDraft(
        NAME, version, "signals", WITNESS_HZ, config.frames, network.directions.shape[1], fitted.slope, fitted.offset
    )
    tell(f"calibrated, {fitted.cost_bits:.3f} bits; measuring")
    test = _rows(network, witness_material("test", data, _HELD_SEEDS), config, "test")
    return FittedWitness(network, draft, cohort, tuple(_groups(test, cohort, config)), len(drivers), windows)


def refuse_other(out: Path) -> None:
    """Raise DataError for a folder that holds something else than a witness, before anything is computed."""
    refuse_foreign(out, out / "witness.json")


def write(fitted: FittedWitness, out: Path) -> None:
    """The witness folder. Raises ExportError where it does not work."""
    graph = as_onnx(fitted.network, fitted.draft.window_frames, _SIGNALS)
    write_witness(out, fitted.draft, graph, fitted.cohort.rows, card(fitted))


def figures(group: Group) -> list[tuple[str, Estimate, Trials]]:
    """Name, figure and the trials behind it."""
    found = []
    for length, trials in (("one window", group.single), ("10 s", group.pooled)):
        if trials is not None:
            found.append((f"AUC {group.kind} {length}", over_drivers(trials, pooled_area, rounds=500), trials))
            found.append((f"EER {group.kind} {length}", over_drivers(trials, pooled_equal_error, rounds=500), trials))
    return found


def card(fitted: FittedWitness) -> dict[str, Any]:
    """What `write_witness` wants to be told."""
    seconds = fitted.draft.window_frames / fitted.draft.rate_hz
    metrics = [
        {
            "name": name,
            "value": figure.value,
            "low": figure.low,
            "high": figure.high,
            "drivers": len(np.unique(trials.template_driver)),
            "trials": len(trials.scores),
            "about": "test drivers, motion with the tracker's measured noise, one template against probes",
        }
        for group in fitted.groups
        for name, figure, trials in figures(group)
    ]
    blends = int((fitted.cohort.parents >= 0).any(axis=1).sum())
    return {
        "licence": "Apache-2.0",
        "training_data": (
            f"{fitted.training_windows} windows of {seconds:.1f} s of {fitted.training_drivers} drivers: tracked "
            "people, each also retimed and mirrored, and procedural seeds; with the noise of MediaPipe on 128x128 grey "
            "pictures. "
            f"Calibrated on other people and seeds; the cohort holds {len(fitted.cohort.rows) - blends} procedural "
            f"strangers and {blends} blends of two people each."
        ),
        "limits": (
            "Measured on tracked and procedural motion, not on rendered or attacked video. Most people here were "
            "recorded once, so a change of day, mood or topic is hardly tested. It hears how far, how fast and how "
            "together parts of the face move; a face that hardly moves says next to nothing."
        ),
        "metrics": metrics,
    }


@dataclass(frozen=True, slots=True)
class _Heard:
    real: bool
    rows: DriverEmbeddings


def _fit(drivers: Sequence[DriverSeries], config: WitnessConfig) -> tuple[WitnessNetwork, int]:
    parts: list[Floats] = []
    label: list[int] = []
    for turn in range(config.passes):
        for number, one in enumerate(as_tracked(drivers, TrackerNoise(), _NOISE_SEEDS["train"] + 100 * turn)):
            for session in one.sessions:
                found = cut(session, config.frames, round(config.frames * _HOP_SHARE))
                parts.append(found)
                label += [number] * len(found)
    if not label:
        raise DataError(f"no driver has a recording of {config.frames / WITNESS_HZ:.1f} s")
    windows = np.concatenate(parts)
    return fit_witness(windows, np.array(label, np.int64), config.size), len(windows)


def _rows(network: WitnessNetwork, drivers: Sequence[DriverSeries], config: WitnessConfig, split: str) -> list[_Heard]:
    """Embeddings of both sides of everybody who has a window for each."""
    most = max(1, int(_ENROLLED_SECONDS * WITNESS_HZ / config.frames))
    heard = []
    tracked = as_tracked(drivers, TrackerNoise(), _NOISE_SEEDS[split])
    for number, one in enumerate(tracked, _FIRST_NUMBERS[split]):
        sides = [
            [window for part in side for window in cut(part, config.frames, config.frames)]
            for side in one.sides(config.frames)
        ]
        if all(sides):
            enrol, probe = (embed(network, side[:most]) for side in sides)
            heard.append(_Heard(one.real, DriverEmbeddings(number, 0, enrol, probe)))
    return heard


def _groups(heard: Sequence[_Heard], cohort: Cohort, config: WitnessConfig) -> list[Group]:
    """Real people and procedural seeds apart; a kind with fewer than two drivers is left out."""
    together = max(1, int(_POOLED_SECONDS * WITNESS_HZ / config.frames))
    found = []
    for kind, real, trials_of in (("people", True, real_trials), ("seeds", False, procedural_trials)):
        rows = [one.rows for one in heard if one.real == real]
        if len(rows) < 2:
            continue
        long = [pooled for row in rows if (pooled := _pooled(row, together)) is not None]
        found.append(Group(kind, trials_of(rows, cohort), trials_of(long, cohort) if len(long) > 1 else None))
    if not found:
        raise DataError("fewer than two drivers are left to measure on")
    return found


def _pooled(row: DriverEmbeddings, together: int) -> DriverEmbeddings | None:
    """Probes of `together` windows each; None for somebody who has fewer."""
    count = len(row.probe) // together
    if count == 0:
        return None
    parts: NDArray[np.float32] = row.probe[: count * together].reshape(count, together, -1)
    return DriverEmbeddings(row.driver, row.target, row.enrol, np.stack([mean_embedding(part) for part in parts]))
