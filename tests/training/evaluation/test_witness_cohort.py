"""A witness gets its cohort and calibration from tracked calls, and nothing else of it changes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engines.expressions.series import ExpressionSeries
from engines.witnesses.folder import read_witness_folder
from engines.witnesses.onnx_witness import OnnxWitness
from tests.engines.witnesses.made_witness import made_movements, write_made_witness
from training.errors import DataError
from training.evaluation.witness_calls import SeenCall
from training.evaluation.witness_cohort import calibrate_witness, figures, write_calibrated


def drawn_side(driver: int, seconds: float, seed: int, *, seen: bool = True) -> ExpressionSeries:
    """Everybody moves some channels more than others; 8 samples a second."""
    samples = round(seconds * 8)
    habit = np.random.default_rng(driver).gamma(1.0, 1.0, 52)
    moved = (np.random.default_rng([driver, seed]).normal(size=(samples, 52)) * habit).astype(np.float32)
    return ExpressionSeries(np.arange(samples) / 8, moved, moved[:, :17].copy(), np.full(samples, seen))


def drawn_calls(first: int, count: int) -> list[SeenCall]:
    """`count` drivers on each of two faces."""
    return [
        SeenCall(driver, driver % 2, drawn_side(driver, 12, 0), drawn_side(driver, 22, 1))
        for driver in range(first, first + 2 * count)
    ]


STRANGERS, CALLS, TEST = drawn_calls(0, 10), drawn_calls(100, 4), drawn_calls(200, 4)


def test_strangers_become_the_cohort_and_others_the_calibration(tmp_path: Path) -> None:
    before = read_witness_folder(write_made_witness(tmp_path, "codes", "blendshapes", made_movements()))
    found = calibrate_witness(OnnxWitness(before), STRANGERS, CALLS, TEST, 4)
    write_calibrated(before, found, (len(STRANGERS), len(CALLS), 4), tmp_path / "out" / "codes")
    after = read_witness_folder(tmp_path / "out" / "codes")
    assert after.graph == before.graph and after.pictures == before.pictures
    assert after.explanation == before.explanation
    assert after.spec.calibration.cohort.shape == (24, 52)
    np.testing.assert_array_equal(after.spec.calibration.cohort[20:], before.spec.calibration.cohort[-4:])
    assert after.spec.calibration.slope == found.calibration.slope > 0
    assert after.spec.model_sha256 != before.spec.model_sha256
    assert after.manifest.training_data.endswith(
        " Calibrated on 8 procedural drivers in calls through VP8, tracked as the guard tracks them; the cohort holds "
        "20 others and 4 blends of two people each."
    )
    assert [metric.name for metric in after.manifest.metrics] == [name for name, _, _ in figures(found)]
    again = calibrate_witness(OnnxWitness(after), STRANGERS, CALLS, TEST, 4)
    write_calibrated(after, again, (len(STRANGERS), len(CALLS), 4), tmp_path / "again" / "codes")
    assert read_witness_folder(tmp_path / "again" / "codes").manifest == after.manifest


def test_only_calls_of_one_face_are_compared_and_drivers_are_told_apart(tmp_path: Path) -> None:
    witness = OnnxWitness(read_witness_folder(write_made_witness(tmp_path, "w", "signals")))
    found = calibrate_witness(witness, STRANGERS, CALLS, TEST)
    assert len(found.single.scores) == 2 * 4 * 4 * 11
    assert len(found.pooled.scores) == 2 * 4 * 4 * 2
    assert (found.single.template_driver % 2 == found.single.probe_driver % 2).all()
    area = {name: figure.value for name, figure, _ in figures(found)}
    assert area["AUC one window"] > 0.9 and area["EER 10 s"] < 0.2


def test_a_driver_whose_face_was_not_seen_is_named(tmp_path: Path) -> None:
    witness = OnnxWitness(read_witness_folder(write_made_witness(tmp_path, "w", "signals")))
    unseen = SeenCall(7, 1, drawn_side(7, 12, 0), drawn_side(7, 22, 1, seen=False))
    with pytest.raises(DataError, match="too little of driver 7 for a window of w"):
        calibrate_witness(witness, [*STRANGERS, unseen], CALLS, TEST)


def test_a_cohort_has_no_more_blends_than_rows(tmp_path: Path) -> None:
    witness = OnnxWitness(read_witness_folder(write_made_witness(tmp_path, "w", "signals")))
    with pytest.raises(DataError, match="has 24 rows; 25 of them cannot be blends"):
        calibrate_witness(witness, STRANGERS, CALLS, TEST, 25)
