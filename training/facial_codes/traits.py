"""Do facial codes tell what people say of themselves? Questionnaire scores from bags of tokens, people held out.

Ridge regression on a bag of tokens (TF-IDF, L2) beside the same on AU-style features (mean and deviation of each unit).
Whoever is predicted took no part in the codes, in the weights of words or in the regression.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import rankdata

from training.facial_codes.clips import ExpressionClip, even_people, frames
from training.facial_codes.fitting import FitSettings, fit_codes
from training.facial_codes.histograms import inverse_document_frequency, staged_histogram, unit_rows

Floats = NDArray[np.float64]

FOLDS = 5
_PENALTY = 1.0
"""Ridge penalty in mean squared lengths of a training row (ours): features of any number are held alike."""
_ROUNDS = 2000
_STEP = 2
"""Every second frame is counted in a bag, in half of the time (ours)."""
TOKENS, UNITS = "bag of tokens", "unit means and deviations"


@dataclass(frozen=True, slots=True)
class TraitFigure:
    """Spearman's correlation of predicted and told scores over people, mean over seeds; 95 % over people; p of a
    permutation test, one-sided (predictions that run the wrong way tell nothing)."""

    scale: str
    features: str
    people: int
    correlation: float
    low: float
    high: float
    p: float


def predict_traits(
    clips: Sequence[ExpressionClip],
    scores: Mapping[str, Mapping[str, float]],
    scales: Sequence[str],
    settings: Sequence[FitSettings],
    tick: Callable[[str], None] = lambda _: None,
) -> list[TraitFigure]:
    """Figures of both kinds of features for each scale; `settings` are those of each seed."""
    people = sorted({clip.person for clip in clips} & {name for name, own in scores.items() if set(scales) <= set(own)})
    wanted = np.array([[scores[person][scale] for scale in scales] for person in people])
    fold = np.random.default_rng(0).permutation(len(people)) % FOLDS
    maps: dict[str, list[list[Floats]]] = {TOKENS: [], UNITS: []}
    units = np.stack([_unit_row(_of(clips, person)) for person in people])
    for one in settings:
        bags = []
        for number in range(FOLDS):
            seen = [
                clip for person, own in zip(people, fold, strict=True) if own != number for clip in _of(clips, person)
            ]
            bags.append(_prediction(_bag_rows(clips, people, seen, one, fold != number), fold != number))
            tick(f"seed {one.seed}, fold {number + 1}")
        maps[TOKENS].append(bags)
    maps[UNITS].append([_prediction(_standardised(units, fold != number), fold != number) for number in range(FOLDS)])
    return [figure for features, seeds in maps.items() for figure in _figures(features, scales, wanted, seeds, fold)]


def _of(clips: Sequence[ExpressionClip], person: str) -> list[ExpressionClip]:
    return [clip for clip in clips if clip.person == person]


def _unit_row(clips: Sequence[ExpressionClip]) -> Floats:
    """Mean and deviation of each unit over all of a person's frames, (2 C,)."""
    rows = frames(clips)
    return np.concatenate([rows.mean(axis=0), rows.std(axis=0)]).astype(np.float64)


def _bag_rows(
    clips: Sequence[ExpressionClip],
    people: Sequence[str],
    seen: Sequence[ExpressionClip],
    settings: FitSettings,
    training: NDArray[np.bool_],
) -> Floats:
    """Bags of all people, (people, words), by codes and weights of those in training alone."""
    expressions = torch.from_numpy(frames(seen))
    shifts = torch.eye(expressions.shape[1]).unsqueeze(2)
    network = fit_codes(expressions, shifts, settings, torch.from_numpy(even_people(seen)))
    rows = [network.tokens(torch.from_numpy(frames(_of(clips, person))[::_STEP])).numpy() for person in people]
    bags = np.stack([staged_histogram(tokens, settings.size.codes) for tokens in rows])
    return unit_rows(bags * inverse_document_frequency(bags[training]))


def _standardised(rows: Floats, training: NDArray[np.bool_]) -> Floats:
    return np.asarray((rows - rows[training].mean(axis=0)) / np.maximum(rows[training].std(axis=0), 1e-9))


def _prediction(rows: Floats, training: NDArray[np.bool_]) -> Floats:
    """The matrix (held, trained) that makes predicted scores of told ones about their mean: ridge in its dual form."""
    centred = rows - rows[training].mean(axis=0)
    gram = centred[training] @ centred[training].T
    penalty = _PENALTY * np.trace(gram) / len(gram)
    solved = np.linalg.solve(gram + penalty * np.eye(len(gram)), centred[training] @ centred[~training].T)
    return np.asarray(solved.T)


def _predicted(maps: Sequence[Floats], fold: NDArray[np.int64], told: Floats) -> Floats:
    """Predictions (people, n) for told scores (people, n), each fold by the others, about the mean of these.

    That mean is left out: it is lower where those held out are higher, and would turn no skill into a negative one.
    """
    out = np.empty_like(told)
    for number, weights in enumerate(maps):
        training = fold != number
        out[~training] = weights @ (told[training] - told[training].mean(axis=0))
    return out


def _correlation(left: Floats, right: Floats) -> Floats:
    """Spearman's, column by column, (n,)."""
    ranks = [rankdata(part, axis=0) for part in (left, right)]
    centred = [part - part.mean(axis=0) for part in ranks]
    spread = np.sqrt((centred[0] ** 2).sum(axis=0) * (centred[1] ** 2).sum(axis=0))
    return np.asarray((centred[0] * centred[1]).sum(axis=0) / np.maximum(spread, 1e-12))


def _figures(
    features: str, scales: Sequence[str], wanted: Floats, seeds: Sequence[Sequence[Floats]], fold: NDArray[np.int64]
) -> list[TraitFigure]:
    random = np.random.default_rng(0)
    orders = np.stack([random.permutation(len(wanted)) for _ in range(_ROUNDS)], axis=1)
    draws = random.integers(len(wanted), size=(len(wanted), _ROUNDS))
    found = []
    for place, scale in enumerate(scales):
        told = wanted[:, place]
        predictions = [_predicted(maps, fold, told[:, None]) for maps in seeds]
        real = float(np.mean([_correlation(one, told[:, None])[0] for one in predictions]))
        shuffled = told[orders]
        chance = np.mean([_correlation(_predicted(maps, fold, shuffled), shuffled) for maps in seeds], axis=0)
        redrawn = np.mean([_correlation(one[:, 0][draws], told[draws]) for one in predictions], axis=0)
        low, high = np.percentile(redrawn, [2.5, 97.5])
        p = (1 + int((chance >= real).sum())) / (1 + _ROUNDS)
        found.append(TraitFigure(scale, features, len(told), real, float(low), float(high), p))
    return found
