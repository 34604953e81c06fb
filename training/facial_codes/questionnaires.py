"""Scores of two published questionnaires from their items: the Big Five (TIPI) and expressivity (BEQ).

Ten-Item Personality Inventory: Gosling, Rentfrow and Swann (2003), each trait the mean of one item and one reversed
item. Berkeley Expressivity Questionnaire: Gross and John (1997), 16 items, 3, 8 and 9 reversed. All items run 1-7.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.errors import DataError

_SCALE_SUM = 8
"""An answer and its reverse add up to this."""
_TIPI = {
    "extraversion": ((1,), (6,)),
    "agreeableness": ((7,), (2,)),
    "conscientiousness": ((3,), (8,)),
    "emotional stability": ((9,), (4,)),
    "openness": ((5,), (10,)),
}
_BEQ = {
    "expressivity": ((1, 2, 4, 5, 6, 7, 10, 11, 12, 13, 14, 15, 16), (3, 8, 9)),
    "positive expressivity": ((1, 4, 6, 10), ()),
    "negative expressivity": ((5, 13, 16), (3, 8, 9)),
    "impulse strength": ((2, 7, 11, 12, 14, 15), ()),
}
"""Items as asked, and reversed."""

BIG_FIVE, EXPRESSIVITY = tuple(_TIPI), tuple(_BEQ)


def read_questionnaire(path: Path) -> dict[str, dict[str, float]]:
    """Scale -> score, 1-7, of every person in a table with the columns ID, TIPI..., BEQ...; "P107" becomes "PP107".

    A scale with an answer missing is left out of that person. Raises DataError for a table without these columns.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
        return {f"P{row['ID']}": _scores(row) for row in rows}
    except (OSError, KeyError, ValueError, csv.Error) as error:
        raise DataError(
            f"cannot read the questionnaire {path}: {error!r}; expected columns ID, TIPI and BEQ items"
        ) from None


def _scores(row: dict[str, str]) -> dict[str, float]:
    tipi, beq = _answers(row, "TIPI"), _answers(row, "BEQ")
    scales = [(scale, tipi, items) for scale, items in _TIPI.items()] + [
        (scale, beq, items) for scale, items in _BEQ.items()
    ]
    found = {scale: _mean(answers, *items) for scale, answers, items in scales}
    return {scale: score for scale, score in found.items() if np.isfinite(score)}


def _answers(row: dict[str, str], inventory: str) -> NDArray[np.float64]:
    """Answers in the order of their numbers; the columns are named INVENTORY2_NUMBER or INVENTORY2_NUMBER_INITIALS."""
    numbered = {int(name.split("_")[1]): text for name, text in row.items() if name and name.startswith(inventory)}
    if not numbered:
        raise KeyError(inventory)
    return np.array([float(numbered[number] or "nan") for number in sorted(numbered)])


def _mean(answers: NDArray[np.float64], asked: tuple[int, ...], reverse: tuple[int, ...]) -> float:
    values = [answers[number - 1] for number in asked] + [_SCALE_SUM - answers[number - 1] for number in reverse]
    return float(np.mean(values))
