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
from training.evaluation.witness_calls import HeardCall, HeardSide
from training.evaluation.witness_cohort import figures, hear, write_heard


def drawn_side(driver: int, seconds: float, seed: int, *, seen: bool = True) -> HeardSide:
    """Everybody moves some channels more than others; 8 samples a second."""
    samples = round(seconds * 8)
    habit = np.random.default_rng(driver).gamma(1.0, 1.0, 52)
    moved = (np.random.default_rng([driver, seed]).normal(size=(samples, 52)) * habit).astype(np.float32)
    track = ExpressionSeries(np.arange(samples) / 8, moved, moved[:, :17].copy(), np.full(samples, seen))
    return HeardSide(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), track)


def drawn_calls(first: int, count: int) -> list[HeardCall]:
    """`count` drivers on each of two faces."""
    return [
        HeardCall(driver, driver % 2, drawn_side(driver, 12, 0), drawn_side(driver, 22, 1))
        for driver in range(first, first + 2 * count)
    ]


STRANGERS, CALLS, TEST = drawn_calls(0, 10), drawn_calls(100, 4), drawn_calls(200, 4)


def test_strangers_become_the_cohort_and_others_the_calibration(tmp_path: Path) -> None:
    before = read_witness_folder(write_made_witness(tmp_path, "codes", "blendshapes", made_movements()))
    heard = hear(OnnxWitness(before), STRANGERS, CALLS, TEST, 4)
    write_heard(before, heard, (len(STRANGERS), len(CALLS), 4), tmp_path / "out" / "codes")
    after = read_witness_folder(tmp_path / "out" / "codes")
    assert after.graph == before.graph and after.pictures == before.pictures
    assert after.explanation == before.explanation
    assert after.spec.calibration.cohort.shape == (24, 52)
    np.testing.assert_array_equal(after.spec.calibration.cohort[20:], before.spec.calibration.cohort[-4:])
    assert after.spec.calibration.slope == heard.calibration.slope > 0
    assert after.spec.model_sha256 != before.spec.model_sha256
    assert after.manifest.training_data.endswith(
        " Calibrated on 8 procedural drivers in calls through VP8, tracked as the guard tracks them; the cohort holds "
        "20 others and 4 blends of two people each."
    )
    assert [metric.name for metric in after.manifest.metrics] == [name for name, _, _ in figures(heard)]
    again = hear(OnnxWitness(after), STRANGERS, CALLS, TEST, 4)
    write_heard(after, again, (len(STRANGERS), len(CALLS), 4), tmp_path / "again" / "codes")
    assert read_witness_folder(tmp_path / "again" / "codes").manifest == after.manifest


def test_only_calls_of_one_face_are_compared_and_drivers_are_told_apart(tmp_path: Path) -> None:
    witness = OnnxWitness(read_witness_folder(write_made_witness(tmp_path, "w", "signals")))
    heard = hear(witness, STRANGERS, CALLS, TEST)
    assert len(heard.single.scores) == 2 * 4 * 4 * 11
    assert len(heard.pooled.scores) == 2 * 4 * 4 * 2
    assert (heard.single.template_driver % 2 == heard.single.probe_driver % 2).all()
    area = {name: figure.value for name, figure, _ in figures(heard)}
    assert area["AUC one window"] > 0.9 and area["EER 10 s"] < 0.2


def test_a_driver_whose_face_was_not_seen_is_named(tmp_path: Path) -> None:
    witness = OnnxWitness(read_witness_folder(write_made_witness(tmp_path, "w", "signals")))
    unseen = HeardCall(7, 1, drawn_side(7, 12, 0), drawn_side(7, 22, 1, seen=False))
    with pytest.raises(DataError, match="too little of driver 7 for a window of w"):
        hear(witness, [*STRANGERS, unseen], CALLS, TEST)


def test_a_cohort_has_no_more_blends_than_rows(tmp_path: Path) -> None:
    witness = OnnxWitness(read_witness_folder(write_made_witness(tmp_path, "w", "signals")))
    with pytest.raises(DataError, match="has 24 rows; 25 of them cannot be blends"):
        hear(witness, STRANGERS, CALLS, TEST, 25)
