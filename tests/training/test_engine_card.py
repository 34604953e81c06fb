"""What a report puts into an engine's card: with calls their figures and pictures, without them a word that says so."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engines.protocol import Calibration
from training.evaluate import Accuracy, DriverEmbeddings
from training.evaluation.call_study import CallStudy
from training.evaluation.error_analysis import DriverError, ErrorAnalysis, PartEffect
from training.evaluation.evidence_length import LengthResult
from training.evaluation.swaps import SwapStudy, time_to_detect
from training.metrics import Estimate
from training.model_card import CardFigures
from training.report import Report, write_card
from training.report_rows import Kind, recording_rows, recordings_text
from training.run_log import TrainingLength

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
    errors = ErrorAnalysis(
        drivers, (PartEffect("lips", Estimate(0.1, -0.2, 0.4), 0.4),), 0.6, 0.8, (0.5, 0.6, 0.7), np.eye(2)
    )
    return Report(
        engine="made-up",
        rows=(),
        calibrated_cost_bits={"procedural": 0.8, "real": 0.95},
        calibrated_on={"procedural": "2 s against 20 s", "real": "1 s against 6 s"},
        static=TrainingLength(80, 464),
        recordings="Real people are heard for 5 s.",
        calls=calls(),
        errors={"real": errors},
    )


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


def test_a_card_tells_what_its_rows_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    card = written(report(), monkeypatch)
    assert "0.800 bits on procedural test drivers (2 s against 20 s); 0.950 bits on real" in card.evaluation
    assert "not calibrated on these real people" in card.evaluation
    assert "80 steps of 464 frames (median), far shorter than this engine" in card.evaluation
    assert "lower bound of what appearance" in card.evaluation
    assert "Real people are heard for 5 s." in card.evaluation
    alone = written(replace(report(), static=None, calibrated_cost_bits={"procedural": 0.8}), monkeypatch)
    assert "STATIC control was not measured" in alone.evaluation
    assert "real people" not in alone.evaluation.split("Cllr")[1].split("\n")[0]


def test_halves_of_one_recording_have_rows_of_their_own_where_they_are_enough() -> None:
    random = np.random.default_rng(0)

    def row(driver: int) -> DriverEmbeddings:
        sides = (np.eye(8)[driver] + 0.1 * random.standard_normal((count, 8)) for count in (3, 2))
        return DriverEmbeddings(driver, 0, *(side.astype(np.float32) for side in sides))

    rows = [row(driver) for driver in range(8)]
    kind, split = Kind(30, 1 / 30, rows), {"another recording": rows[:3], "halves of one": rows[3:]}
    calibration = Calibration(1.0, 0.0, random.standard_normal((4, 8)).astype(np.float32))
    found = recording_rows(kind, split, calibration)
    assert [line.name for line in found] == ["real, halves of one, pooled", "real, halves of one, template"]
    assert [line.accuracy.drivers for line in found] == [5, 5]
    assert found[0].about == "2.0 s against 3.0 s, cosine"
    assert found[1].about.startswith("one window of 1.00 s against a template of 3.0 s")
    text = recordings_text(kind, split)
    assert "heard for 2.0 s. *another recording*: 3 people, too few for rows of their own; *halves of one*: 5" in text
    assert "makes them easier" in text
