"""Calibrating an engine again uses the people that `export` uses, and leaves nobody's own blends in the cohort."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from engines.protocol import Engine
from tests.training.evaluation.made_up_calls import made_up_engine
from training import release
from training.cohort import build_cohort, calibrate_on, recognised_cohort
from training.embedding import Embed
from training.evaluate import DriverEmbeddings
from training.release import CalibrationMaterial, calibrate_engine
from training.report import Unseen


def people(count: int, size: int, seed: int) -> list[DriverEmbeddings]:
    """Everybody has a direction; every window is near it."""
    random = np.random.default_rng(seed)

    def windows(centre: NDArray[np.float64]) -> NDArray[np.float32]:
        rows = centre + 0.3 * random.standard_normal((6, size))
        unit: NDArray[np.float32] = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
        return unit

    centres = random.standard_normal((count, size)) / np.sqrt(size)
    return [DriverEmbeddings(number, 0, windows(centre), windows(centre)) for number, centre in enumerate(centres)]


def test_the_blends_in_a_shipped_cohort_are_recognised() -> None:
    real = people(5, 16, 1)
    cohort = build_cohort(people(7, 16, 2), real)
    slightly_off = cohort.rows + np.float32(1e-4)
    found = recognised_cohort(slightly_off / np.linalg.norm(slightly_off, axis=1, keepdims=True), real)
    np.testing.assert_array_equal(found.parents, cohort.parents)
    assert (recognised_cohort(cohort.rows, people(5, 16, 3)).parents == -1).all()
    assert (recognised_cohort(cohort.rows, []).parents == -1).all()


def test_calibrating_again_fits_real_people_as_export_does(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = made_up_engine(0.2)
    size = engine.spec.embedding_size
    found = CalibrationMaterial(people(8, size, 4), people(5, size, 5))
    unseen = Unseen(Path("people"), Path("portraits"), 8)
    asked = []

    def material(embed: Embed, unseen: Unseen, processes: int) -> CalibrationMaterial:
        asked.append(unseen)
        return found

    def load(name: str, threads: int) -> Engine:
        return engine

    monkeypatch.setattr(release, "load_engine", load)
    monkeypatch.setattr(release, "calibration_material", material)
    told = calibrate_engine(Path("made-up"), unseen, 1)
    assert asked == [unseen]
    fitted = calibrate_on(found.trials(recognised_cohort(engine.spec.calibration.cohort, found.real)))
    without = calibrate_on(
        CalibrationMaterial(found.procedural, []).trials(recognised_cohort(engine.spec.calibration.cohort, []))
    )
    assert told["slope"] == fitted.slope != without.slope
