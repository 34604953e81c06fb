"""Which facial movements set a probe apart from a template, for a witness that can explain itself.

Its embedding is a histogram of movements, square-rooted and L2-normalised or nearly so: the squares of its entries are
shares. Template and probe are compared share by share, and what is named is what differs most, beyond what the windows
of the template differ among themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from engines.witnesses.explanation import Explanation

MOST = 5
"""Movements that are named at most."""

_SMALLEST = 0.01
"""Difference of shares below which a movement is not worth a word; our own choice."""


@dataclass(frozen=True, slots=True)
class Movement:
    """A movement that is seen more or less often than at enrolment."""

    witness: str
    token: int
    words: str
    picture: str
    """Its file's name, without folder."""
    direction: Literal["more", "less"]
    share: float
    """Of the whole difference between probe and template, 0 to 1."""
    limits: str


def distinct_movements(
    witness: str, template: NDArray[np.float32], probes: Sequence[NDArray[np.float32]], explanation: Explanation
) -> tuple[Movement, ...]:
    """The movements that differ most, the largest first; none where nothing stands out.

    template: float32 (k, D), the windows of the enrolment. probes: float32 (D,) each, the newest windows of the call.
    """
    if not probes:
        return ()
    enrolled, seen = np.square(template), np.square(np.stack(probes)).mean(axis=0)
    difference = seen - enrolled.mean(axis=0)
    whole = float(np.abs(difference).sum())
    noise = enrolled.std(axis=0) / np.sqrt(len(enrolled))
    telling = (np.abs(difference) >= _SMALLEST) & (np.abs(difference) > 2 * noise)
    order = [int(token) for token in np.argsort(-np.abs(difference)) if telling[token]]
    named = [token for token in order if token in explanation.tokens][:MOST]
    return tuple(_movement(witness, token, difference, whole, explanation) for token in named)


def _movement(
    witness: str, token: int, difference: NDArray[np.floating], whole: float, explanation: Explanation
) -> Movement:
    entry = explanation.tokens[token]
    return Movement(
        witness=witness,
        token=token,
        words=entry.words,
        picture=entry.picture.rpartition("/")[2],
        direction="more" if difference[token] > 0 else "less",
        share=float(abs(difference[token]) / whole),
        limits=entry.limits,
    )
