"""Measures person models: how well each fits its person, and whether that tells people or drivers apart.

Intervals are over people (drivers), of the mean over seeds where there are several.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from engines.person_models.faces import PAIRS_A_PROBE
from training.errors import DataError
from training.evaluation.bench_clips import BenchClips
from training.metrics import Estimate, over_people
from training.person_models.checkpoint import learning_cost, load_model
from training.person_models.common_faces import driven_faces
from training.person_models.faces import Faces
from training.person_models.figures import Fit, Row, Side, accuracy_rows, fit_figures, side_figures
from training.person_models.learning import PERSON, LearningConfig
from training.person_models.network import PersonModel
from training.person_models.read_out import read_out_scores
from training.person_models.score import PROBE_APART_FRAMES, probe_pairs, swap_errors
from training.person_models.swap_tables import Enrolled, learnt_models, swap_table
from training.person_models.trials import SwapTable, person_errors

AS_LEARNT = "as learnt"
VARIANTS: Mapping[str, Callable[[LearningConfig], LearningConfig]] = {
    "one shuffle": lambda config: replace(config, curriculum=False),
    "with flips": lambda config: replace(config, flip=True),
    "from scratch": lambda config: replace(config, learning_rate=4 * config.learning_rate),
}
"""Against `AS_LEARNT`; the last begins with weights that have learnt nothing, at the general model's rate."""
FROM_SCRATCH = "from scratch"


@dataclass(frozen=True, slots=True)
class Variant:
    """Another way to learn. error_over_as_learnt: log of the own models' errors over those of `AS_LEARNT`, positive
    where the variant is worse."""

    name: str
    fit: Fit
    error_over_as_learnt: Estimate
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class ReadOutFigures:
    """Mean F1 over people, and the differences of the own models to the others."""

    people: int
    movements: float
    own: Estimate
    general: Estimate
    others: Estimate
    pixels: Estimate
    own_over_general: Estimate
    own_over_others: Estimate


@dataclass(frozen=True, slots=True)
class PersonStudy:
    """Everything that a study found. learning_seconds: of the processor, for one person's model, the median;
    probe_milliseconds: of the processor, for one model on one probe."""

    config: LearningConfig
    enrolment_frames: int
    parameters: int
    own: Side
    variants: tuple[Variant, ...]
    read_out: ReadOutFigures | None
    common: Side | None
    learning_seconds: float
    probe_milliseconds: float


@dataclass(frozen=True, slots=True)
class StudyPlan:
    """What to measure. generals: files of general models, one a seed. tracks: folder of tracks.npz; None = no read-out.

    frames: to enrol with, about. variants: names out of `VARIANTS`. common_seeds: how many of the general models also
    enrol on common faces.
    """

    generals: tuple[Path, ...]
    out: Path
    tracks: Path | None = None
    frames: int = 250
    config: LearningConfig = PERSON
    variants: tuple[str, ...] = ()
    common_seeds: int = 1


def run_study(
    plan: StudyPlan,
    sides: Sequence[Enrolled],
    clips: BenchClips | None,
    tell: Callable[[str], None] = lambda _: None,
) -> PersonStudy:
    """Learn what OUT does not hold yet, and measure. Raises DataError for a variant that there is not."""
    unknown = [name for name in plan.variants if name not in VARIANTS]
    if unknown:
        raise DataError(f"no variant is called {unknown[0]!r}; there are {', '.join(VARIANTS)}")
    if not plan.generals:
        raise DataError("no general models; make one with `guard-train person general`")
    generals = [load_model(path) for path in plan.generals]
    models = _of_seeds(sides, generals, plan, "own", lambda: tell("a person's model"))
    tables, looks = _tables(sides, generals, models, plan)
    tell("scores on own faces")
    variants = tuple(_variant(name, plan, sides, generals, tables, tell) for name in plan.variants)
    common = None if clips is None else _common(plan, clips, generals[: plan.common_seeds], tell)
    return PersonStudy(
        plan.config,
        round(float(np.median([sum(len(r.faces) for r in person.enrol) for person in sides]))),
        sum(parameter.numel() for parameter in generals[0].parameters()),
        side_figures(len(sides), len(sides), tables, looks),
        variants,
        None if plan.tracks is None else _read_out(sides, generals, models, plan.tracks, plan.out / "errors"),
        common,
        float(np.median([learning_cost(path) for path in sorted((plan.out / "models").glob("own_*/*.pt"))])),
        probe_cost(generals[0], sides[0].probe[0].faces),
    )


def probe_cost(model: PersonModel, faces: Faces, rounds: int = 10) -> float:
    """Processor milliseconds that one model takes for one probe; the median of several rounds."""
    pairs, taken = probe_pairs(faces, PAIRS_A_PROBE), []
    for _ in range(rounds):
        began = time.process_time()
        swap_errors(model, *pairs)
        taken.append(time.process_time() - began)
    return 1000 * float(np.median(taken))


def _of_seeds(
    everybody: Sequence[Enrolled], generals: Sequence[PersonModel], plan: StudyPlan, kind: str, done: Callable[[], None]
) -> list[tuple[PersonModel, ...]]:
    """Everybody's models, begun with each general model. kind: of the folders that keep them."""
    return [
        learnt_models(everybody, general, replace(plan.config, seed=seed), plan.out / "models" / f"{kind}_{seed}", done)
        for seed, general in enumerate(generals)
    ]


def _tables(
    everybody: Sequence[Enrolled],
    generals: Sequence[PersonModel],
    models: Sequence[Sequence[PersonModel]],
    plan: StudyPlan,
) -> tuple[list[SwapTable], list[SwapTable]]:
    """Of each seed: with movements to swap, and with looks alone."""
    moving, still = (
        [swap_table(everybody, *of, plan.out / "errors", apart) for of in zip(generals, models, strict=True)]
        for apart in (PROBE_APART_FRAMES, 0)
    )
    return moving, still


def _variant(
    name: str,
    plan: StudyPlan,
    sides: Sequence[Enrolled],
    generals: Sequence[PersonModel],
    as_learnt: Sequence[SwapTable],
    tell: Callable[[str], None],
) -> Variant:
    tables, logs = [], []
    for seed, (general, usual) in enumerate(zip(generals, as_learnt, strict=True)):
        config, begin = VARIANTS[name](replace(plan.config, seed=seed)), general
        if name == FROM_SCRATCH:
            torch.manual_seed(seed)
            begin = PersonModel(general.config)
        folder = plan.out / "models" / f"{name.replace(' ', '_')}_{seed}"
        models = learnt_models(sides, begin, config, folder, lambda: tell(name))
        tables.append(swap_table(sides, general, models, plan.out / "errors"))
        own, kept = (np.array([one.own for one in person_errors(found)]) for found in (tables[-1], usual))
        logs.append(np.log(own / kept))
    return Variant(name, fit_figures(tables), over_people(np.mean(logs, axis=0)), accuracy_rows(tables))


def _common(plan: StudyPlan, clips: BenchClips, generals: Sequence[PersonModel], tell: Callable[[str], None]) -> Side:
    driven = driven_faces(clips)
    models = _of_seeds(driven, generals, plan, "common", lambda: tell("a driver's model"))
    people, faces = {one.driver for one in driven}, {one.face for one in driven}
    return side_figures(len(people), len(faces), *_tables(driven, generals, models, plan))


def _read_out(
    sides: Sequence[Enrolled],
    generals: Sequence[PersonModel],
    models: Sequence[Sequence[PersonModel]],
    tracks: Path,
    kept: Path,
) -> ReadOutFigures:
    by_seed = [
        read_out_scores(sides, general, own, tracks, kept) for general, own in zip(generals, models, strict=True)
    ]
    own, general, others, pixels, movements = (
        np.array([[getattr(person, name) for person in seed] for seed in by_seed]).mean(axis=0)
        for name in ("own", "general", "others", "pixels", "movements")
    )
    return ReadOutFigures(
        len(own),
        float(movements.mean()),
        *(over_people(values) for values in (own, general, others, pixels, own - general, own - others)),
    )
