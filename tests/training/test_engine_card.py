"""What a report puts into an engine's card: with calls their figures and pictures, without them a word that says so."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from training.evaluate import Accuracy
from training.evaluation.call_study import CallStudy, LengthResult
from training.evaluation.error_analysis import DriverError, ErrorAnalysis, PartEffect
from training.evaluation.swaps import SwapStudy, time_to_detect
from training.metrics import Estimate
from training.model_card import CardFigures
from training.report import Report, write_card

THRESHOLDS = np.arange(-5.95, -0.01, 0.05)


def calls() -> CallStudy:
    """Two drivers, no false alarm in 2 h put together from a quarter of an hour; both swaps found after 20 s."""
    nobody = np.zeros((2, len(THRESHOLDS)))
    drivers = np.arange(2)
    swaps = SwapStudy(THRESHOLDS, drivers, np.ones(2), nobody, 0.25, nobody[0], drivers, 1 - drivers, nobody + 20.0)
    hourly = time_to_detect(swaps, 1.0, rounds=20)
    assert hourly is not None
    error = Accuracy(Estimate(0.9, 0.8, 1.0), Estimate(0.2, 0.1, 0.3), 2, 8)
    return CallStudy((), (LengthResult(10.0, 300, error),), (hourly,), swaps, ())


def report() -> Report:
    drivers = tuple(DriverError(number, True, 0.5 + 0.2 * number, 3.0 + number, 1 - number) for number in range(2))
    errors = ErrorAnalysis(drivers, (PartEffect("lips", 0.1, 0.4),), 0.6, 0.8, (0.5, 0.6, 0.7), np.eye(2))
    return Report("made-up", (), 0.8, calls(), {"real": errors})


def written(found: Report, monkeypatch: pytest.MonkeyPatch) -> CardFigures:
    cards = []

    def keep(folder: Path, card: CardFigures) -> None:
        cards.append(card)

    monkeypatch.setattr("training.report.rewrite_card", keep)
    write_card(Path("engine"), found, Path("out"))
    (card,) = cards
    return card


def test_a_card_with_calls_says_how_soon_a_swap_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    card = written(report(), monkeypatch)
    metrics = {metric.name: metric.value for metric in card.metrics}
    assert metrics == {
        "AUC (10 s of evidence)": 0.9,
        "EER (10 s of evidence)": 0.2,
        "seconds to detect a swap (median)": 20,
        "swaps found within 30 s": 1,
        "swaps found within 120 s": 1,
    }
    pictures = ["roc_det", "llr_histogram", "errors_real", "evidence", "detection", "conditions"]
    assert [path.name for path in card.documents] == [f"{name}.png" for name in pictures]
    assert "half are found within 20 s" in card.evaluation
    assert "0.25 h of genuine video" in card.evaluation
    assert "takes 50% of the error away" in card.evaluation
    assert card.worse_calls


def test_a_card_without_calls_says_that_they_were_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    card = written(replace(report(), calls=None), monkeypatch)
    assert card.metrics == ()
    assert len(card.documents) == 3
    assert "time to detect and worse calls were not measured" in card.evaluation
    assert not card.worse_calls
