"""How codes do against stages, codebook size and the terms on templates: a grid of small runs, each kept when done."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from training.data.recipe import claim, refuse_foreign
from training.facial_codes.clips import ExpressionClip, even_people, frames, of_split
from training.facial_codes.fitting import FitSettings, fit_codes
from training.facial_codes.measures import CodeFigures, code_figures
from training.facial_codes.network import CodesNetwork
from training.facial_codes.templates import Movement, TemplateFigures, template_figures

RECIPE_FILE = "study.json"
CODEBOOKS = (32, 64, 128, 256)
TERMS: dict[str, dict[str, Any]] = {
    "neither": {"sparsity": 0.0, "orthogonality": 0.0},
    "sparsity": {"orthogonality": 0.0},
    "orthogonality": {"sparsity": 0.0},
    "both": {},
}
"""Which of the two terms on templates are on; `both` is the default."""
SEEDS = (0, 1, 2)


@dataclass(frozen=True, slots=True)
class StudyRun:
    """One training of the grid."""

    codes: int
    terms: str
    seed: int

    @property
    def name(self) -> str:
        return f"k{self.codes}_{self.terms}_{self.seed}"

    def settings(self, base: FitSettings) -> FitSettings:
        size = replace(base.size, codes=self.codes)
        return replace(base, size=size, seed=self.seed, **TERMS[self.terms])


@dataclass(frozen=True, slots=True)
class RunFigures:
    """Of people that training did not see."""

    run: StudyRun
    codes: CodeFigures
    templates: TemplateFigures


def grid(terms_at: int) -> list[StudyRun]:
    """All codebook sizes with both terms, and all choices of terms at one codebook size; every seed."""
    sizes = [StudyRun(codes, "both", seed) for codes in CODEBOOKS for seed in SEEDS]
    terms = [StudyRun(terms_at, name, seed) for name in TERMS if name != "both" for seed in SEEDS]
    return sizes + terms


def run_study(
    clips: Sequence[ExpressionClip],
    shifts: torch.Tensor,
    out: Path,
    base: FitSettings,
    runs: Sequence[StudyRun],
    tick: Callable[[str], None] = lambda _: None,
) -> list[dict[str, Any]]:
    """Train and measure every run that `out` does not hold yet; the figures of all, as JSON has them.

    Training sees the people of the train split, figures are of those of val and test. Raises DataError where `out` was
    made otherwise.
    """
    refuse_foreign(out, out / RECIPE_FILE)
    recipe = {**asdict(base), "clips": len(clips), "seed": None}
    claim(out / RECIPE_FILE, recipe, kept=(out / RECIPE_FILE).exists())
    train, held = of_split(clips, "train"), of_split(clips, "val", "test")
    expressions, weights = torch.from_numpy(frames(train)), torch.from_numpy(even_people(train))
    found = []
    for run in runs:
        path = out / f"{run.name}.json"
        if not path.exists():
            network = fit_codes(expressions, shifts, run.settings(base), weights)
            figures = measure(network, shifts, held, run)
            part = path.with_suffix(".part")
            part.write_text(json.dumps(as_plain(figures)) + "\n")
            part.replace(path)
        found.append(json.loads(path.read_text()))
        tick(run.name)
    return found


def measure(network: CodesNetwork, shifts: torch.Tensor, held: Sequence[ExpressionClip], run: StudyRun) -> RunFigures:
    """Figures of one network on held-out recordings."""
    expressions = torch.from_numpy(frames(held))
    names = sorted({clip.person for clip in held})
    person = np.concatenate([np.full(len(clip.values), names.index(clip.person)) for clip in held])
    codes = code_figures(network, expressions, person)
    movement = Movement(shifts, expressions - network.mean)
    return RunFigures(run, codes, template_figures(movement, network.templates(), codes.used))


def as_plain(figures: RunFigures) -> dict[str, Any]:
    """One flat object for JSON."""
    return {
        **asdict(figures.run),
        "explained": figures.codes.explained.tolist(),
        "error": figures.codes.error.tolist(),
        "perplexity": figures.codes.perplexity,
        "dead": figures.codes.dead,
        **asdict(figures.templates),
        "by_person": figures.codes.by_person.tolist(),
    }
