"""Measures person models: how well each fits its person, and whether that tells people or drivers apart.

Intervals are over people (drivers), of the mean over seeds where there are several. Variants of learning are measured
with the first seed alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from training.errors import DataError
from training.evaluation.bench_clips import BenchClips
from training.evaluation.comparison import over_seeds
from training.metrics import Estimate, Trials, pooled_area, pooled_equal_error
from training.person_models import common_faces, own_faces
from training.person_models.checkpoint import learning_cost, load_model
from training.person_models.faces import Faces
from training.person_models.learning import PERSON, LearningConfig
from training.person_models.network import PersonModel
from training.person_models.read_out import read_out_scores
from training.person_models.score import PROBE_APART_FRAMES, probe_pairs, swap_errors
from training.person_models.trials import SwapTable, against_cohort, against_general, person_errors

POOLED = 4
"""Probes that are also heard together."""
AS_LEARNT = "as learnt"
VARIANTS: Mapping[str, Callable[[LearningConfig], LearningConfig]] = {
    "one shuffle": lambda config: replace(config, curriculum=False),
    "with flips": lambda config: replace(config, flip=True),
    "from scratch": lambda config: replace(config, learning_rate=4 * config.learning_rate),
}
"""Against `AS_LEARNT`; the last begins with weights that have learnt nothing, at the general model's rate."""
FROM_SCRATCH = "from scratch"

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Fit:
    """Errors on held-out probes, and their natural log-ratios, positive where the own model errs least."""

    own: Estimate
    general: Estimate
    others: Estimate
    general_over_own: Estimate
    others_over_own: Estimate


@dataclass(frozen=True, slots=True)
class Row:
    """One way to score trials. probes: heard together."""

    name: str
    probes: int
    area: Estimate
    equal_error: Estimate


@dataclass(frozen=True, slots=True)
class Variant:
    """Another way to learn, with the first seed. error_over_as_learnt: log of the own models' errors over those of
    `AS_LEARNT`, positive where the variant is worse."""

    name: str
    fit: Fit
    error_over_as_learnt: Estimate
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Side:
    """One set of trials: people on their own videos, or drivers on common faces. faces: that are shown.

    movement_lead: by how much the area against a cohort is larger than that of looks alone, on the same draws of
    people; with one probe, and with several.
    """

    people: int
    faces: int
    seeds: int
    impostors: int
    fit: Fit
    rows: tuple[Row, ...]
    movement_lead: tuple[Estimate, Estimate]


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
    sides: Sequence[own_faces.PersonSides],
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
    kept = plan.out / "models"
    models = [
        own_faces.person_models(
            sides, general, replace(plan.config, seed=seed), kept / f"own_{seed}", lambda: tell("a person's model")
        )
        for seed, general in enumerate(generals)
    ]
    tables, looks = (
        [own_faces.swap_table(sides, *of, plan.out / "errors", apart) for of in zip(generals, models, strict=True)]
        for apart in (PROBE_APART_FRAMES, 0)
    )
    tell("scores on own faces")
    variants = tuple(_variant(name, plan, sides, generals[0], kept, tables[0], tell) for name in plan.variants)
    common = None if clips is None else _common(plan, clips, generals[: plan.common_seeds], kept, tell)
    return PersonStudy(
        plan.config,
        round(float(np.median([sum(len(r.faces) for r in person.enrol) for person in sides]))),
        sum(parameter.numel() for parameter in generals[0].parameters()),
        Side(
            len(sides),
            len(sides),
            len(generals),
            _impostors(tables[0]),
            _fit(tables),
            (*_rows(tables, ""), *_rows(looks, ", looks alone")),
            (_lead(tables, looks, 1), _lead(tables, looks, POOLED)),
        ),
        variants,
        None if plan.tracks is None else _read_out(sides, generals, models, plan.tracks, plan.out / "errors"),
        common,
        float(np.median([learning_cost(path) for path in sorted(kept.glob("own_*/*.pt"))])),
        probe_cost(generals[0], sides[0].probe[0].faces),
    )


def probe_cost(model: PersonModel, faces: Faces, rounds: int = 10) -> float:
    """Processor milliseconds that one model takes for one probe; the median of several rounds."""
    pairs, taken = probe_pairs(faces, own_faces.PAIRS_A_PROBE), []
    for _ in range(rounds):
        began = time.process_time()
        swap_errors(model, *pairs)
        taken.append(time.process_time() - began)
    return 1000 * float(np.median(taken))


def _variant(
    name: str,
    plan: StudyPlan,
    sides: Sequence[own_faces.PersonSides],
    general: PersonModel,
    kept: Path,
    as_learnt: SwapTable,
    tell: Callable[[str], None],
) -> Variant:
    config = VARIANTS[name](replace(plan.config, seed=0))
    begin = general
    if name == FROM_SCRATCH:
        torch.manual_seed(0)
        begin = PersonModel(general.config)
    folder = kept / f"{name.replace(' ', '_')}_0"
    models = own_faces.person_models(sides, begin, config, folder, lambda: tell(name))
    table = own_faces.swap_table(sides, general, models, plan.out / "errors")
    own, usual = (np.array([one.own for one in person_errors(found)]) for found in (table, as_learnt))
    return Variant(name, _fit([table]), over_people(np.log(own / usual)), _rows([table], ""))


def _common(
    plan: StudyPlan,
    clips: BenchClips,
    generals: Sequence[PersonModel],
    kept: Path,
    tell: Callable[[str], None],
) -> Side:
    driven = common_faces.driven_faces(clips)
    tables, looks = [], []
    for seed, general in enumerate(generals):
        config = replace(plan.config, seed=seed)
        folder = kept / f"common_{seed}"
        models = common_faces.driver_models(driven, general, config, folder, lambda: tell("a driver's model"))
        tables.append(common_faces.driven_table(driven, general, models, plan.out / "errors"))
        looks.append(common_faces.driven_table(driven, general, models, plan.out / "errors", 0))
    people = len({one.driver for one in driven})
    rows = (*_rows(tables, ""), *_rows(looks, ", looks alone"))
    faces = len({one.face for one in driven})
    return Side(
        people,
        faces,
        len(tables),
        _impostors(tables[0]),
        _fit(tables),
        rows,
        (_lead(tables, looks, 1), _lead(tables, looks, POOLED)),
    )


def _fit(tables: Sequence[SwapTable]) -> Fit:
    by_seed = [person_errors(table) for table in tables]
    own, general, others = (
        np.array([[getattr(person, name) for person in seed] for seed in by_seed])
        for name in ("own", "general", "others")
    )
    return Fit(
        over_people(own.mean(axis=0)),
        over_people(general.mean(axis=0)),
        over_people(others.mean(axis=0)),
        over_people(np.log(general / own).mean(axis=0)),
        over_people(np.log(others / own).mean(axis=0)),
    )


def _rows(tables: Sequence[SwapTable], control: str) -> tuple[Row, ...]:
    found = []
    for name, score in (("against the general model", against_general), ("against a cohort", against_cohort)):
        for probes in (1, POOLED):
            heard = [table.pooled(probes) for table in tables]
            trials = [table.trials(score(table)) for table in heard]
            found.append(accuracy_row(name + control, probes, trials))
    return tuple(found)


def _lead(tables: Sequence[SwapTable], looks: Sequence[SwapTable], probes: int) -> Estimate:
    (moving, moving_drawn), (still, still_drawn) = (
        over_seeds([heard.trials(against_cohort(heard)) for heard in (t.pooled(probes) for t in side)], pooled_area)
        for side in (tables, looks)
    )
    low, high = np.nanpercentile(moving_drawn - still_drawn, [2.5, 97.5])
    return Estimate(moving.value - still.value, float(low), float(high))


def accuracy_row(name: str, probes: int, trials: Sequence[Trials]) -> Row:
    """Area and equal error of the same trials as several seeds score them."""
    area, _ = over_seeds(trials, pooled_area)
    error, _ = over_seeds(trials, pooled_equal_error)
    return Row(name, probes, area, error)


def _impostors(table: SwapTable) -> int:
    return int((~table.trials(table.errors).genuine).sum())


def _read_out(
    sides: Sequence[own_faces.PersonSides],
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


def over_people(values: Values, rounds: int = 2000) -> Estimate:
    """Mean of one value a person, (n,), with its 95 % bootstrap interval over people."""
    random = np.random.default_rng(0)
    drawn = values[random.integers(len(values), size=(rounds, len(values)))].mean(axis=1)
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Estimate(float(values.mean()), float(low), float(high))
