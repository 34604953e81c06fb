"""How well a model swaps the movements of a pair of faces, and what that says about whose face it is.

The score is a log-ratio (our choice of the seed systems, section 2.6): by how much the claimed person's model errs less
than others do on the same pairs. A pair's order, and the frames between, play no part in it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from training.errors import DataError
from training.person_models.faces import Faces
from training.person_models.losses import redrawing_error
from training.person_models.network import PersonModel

PROBE_APART_FRAMES = 8
"""Between the faces of a pair: a third of a second, as in calls (`engines.person_models.faces.PAIR_SECONDS`)."""
_PAIRS_AT_ONCE = 32


def probe_pairs(faces: Faces, count: int, apart: int = PROBE_APART_FRAMES) -> tuple[Faces, Faces]:
    """`count` pairs, evenly over consecutive faces uint8 (n, 64, 64); apart = 0 shows each face twice.

    Raises DataError for fewer faces than one pair needs.
    """
    if len(faces) <= apart:
        raise DataError(f"a probe of {len(faces)} frames holds no pair of faces {apart} frames apart; record more")
    first = np.unique(np.linspace(0, len(faces) - apart - 1, count).round().astype(int))
    return faces[first], faces[first + apart]


@torch.no_grad()
def swap_errors(model: PersonModel, first: Faces, second: Faces) -> NDArray[np.float64]:
    """Error of redrawing both faces of each pair from the other's neutral face: float64 (n,), see `redrawing_error`."""
    found = []
    for start in range(0, len(first), _PAIRS_AT_ONCE):
        rows = slice(start, start + _PAIRS_AT_ONCE)
        both = np.concatenate([first[rows], second[rows]])
        faces = model.normalised(torch.from_numpy(both).float()[:, None] / 255)
        errors = redrawing_error(model.swapped(faces), faces).view(2, -1).mean(dim=0)
        found.append(errors.double().numpy())
    return np.concatenate(found)


def log_ratio(claimed: NDArray[np.float64], others: Sequence[NDArray[np.float64]]) -> float:
    """Natural log of the others' error over the claimed model's, all (n,) on the same pairs: > 0 speaks for the claim.

    others: the general model alone, or the models of a cohort, whose logs are averaged.
    """
    if not others:
        raise DataError("a log-ratio needs another model than the claimed one: the general model or a cohort")
    return float(np.mean([np.log(errors.mean()) for errors in others]) - np.log(claimed.mean()))
