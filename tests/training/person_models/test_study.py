"""A small study from people to a page, and the sides, drivers and labels that it rests on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from tests.training.person_models.made_up_people import TINY, recording
from training.errors import DataError
from training.evaluation import comparison
from training.evaluation.bench_clips import BenchClips
from training.metrics import over_people
from training.person_models import swap_tables
from training.person_models.checkpoint import save_model
from training.person_models.common_faces import driven_faces
from training.person_models.faces import Recording, stacked
from training.person_models.learning import PERSON, LearningConfig
from training.person_models.network import PersonModel
from training.person_models.own_faces import sides_of
from training.person_models.page import study_text, write_study
from training.person_models.read_out import labelled, read_out_scores
from training.person_models.study import StudyPlan, run_study
from training.person_models.swap_tables import Enrolled
from training.person_models.trials import ANY_FACE

torch.set_num_threads(1)
FAST = replace(PERSON, epochs=1)


def everybody(people: int = 3) -> dict[str, list[Recording]]:
    return {
        str(person): [recording(person, 30, f"day{day}", f"{person}/{day}") for day in range(8)]
        for person in range(people)
    }


def bench(drivers: int = 3, faces: int = 2) -> BenchClips:
    """Two windows of 50 frames to enrol with and one to probe, of every driver on every face."""
    driver, face, window = (part.ravel() for part in np.indices((drivers, faces, 3)))
    frames = np.stack([
        np.kron(recording(3 * int(f) + int(d), 50).faces, np.ones((1, 2, 2), np.uint8))
        for d, f in zip(driver, face, strict=True)
    ])  # fmt: skip
    return BenchClips(frames, np.zeros((len(driver), 50, 1, 2), np.float16), driver, face, window == 2)


@pytest.fixture(scope="module")
def generals(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ...]:
    folder = tmp_path_factory.mktemp("generals")
    for seed in (0, 1):
        torch.manual_seed(seed)
        save_model(PersonModel(TINY), folder / f"{seed}.pt", cpu_seconds=1)
    return folder / "0.pt", folder / "1.pt"


def test_no_recordings_make_no_stack() -> None:
    with pytest.raises(DataError, match="no recordings"):
        stacked([])


def test_days_take_sides_in_turn_and_people_of_one_day_are_left_out() -> None:
    people = everybody(3)
    people["one day"] = [recording(0, 200, "day0")]
    people["little"] = [recording(0, 30, "day0"), recording(0, 30, "day1")]
    sides = sides_of(people, 1000)
    assert len(sides) == 3
    for side in sides:
        assert {one.session for one in side.enrol} == {"day0", "day2", "day4", "day6"}
        assert {one.session for one in side.probe} == {"day1", "day3", "day5", "day7"}
    with pytest.raises(DataError, match="only 2 people"):
        sides_of(everybody(2), 1000)


def test_drivers_of_every_face_are_enrolled_where_they_are_long_enough() -> None:
    driven = driven_faces(bench())
    assert [(one.driver, one.face) for one in driven] == [(d, f) for d in range(3) for f in range(2)]
    assert [len(one.faces) for one in driven[0].enrol] == [50, 50]
    assert len(driven[0].probe) == 1
    with pytest.raises(DataError, match="fewer than 3 drivers"):
        driven_faces(bench(2))


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Models that have learnt nothing of a person, and few draws: both are tested elsewhere."""

    def unlearnt(
        path: Path, general: PersonModel, recordings: Sequence[Recording], config: LearningConfig
    ) -> PersonModel:
        assert sum(len(one.faces) for one in recordings) >= 100
        torch.manual_seed(len(path.parent.name) + int(path.stem.partition("_")[0]))
        model = PersonModel(general.config).eval()
        save_model(model, path, cpu_seconds=config.epochs)
        return model

    monkeypatch.setattr(swap_tables, "kept_model", unlearnt)
    monkeypatch.setattr(comparison, "_ROUNDS", 20)
    monkeypatch.setattr(swap_tables, "PAIRS_A_PROBE", 1)


@pytest.mark.usefixtures("quick")
def test_a_study_goes_from_people_to_a_page(generals: tuple[Path, ...], tmp_path: Path) -> None:
    sides = sides_of(everybody(3), 120)
    plan = StudyPlan(generals, tmp_path, None, 120, FAST, ("one shuffle", "from scratch"), 1)
    told: list[str] = []
    study = run_study(plan, sides, bench(), told.append)
    assert (study.own.people, study.own.seeds, study.own.impostors) == (3, 2, 3 * 2 * 4)
    assert study.common is not None
    assert study.common.faces == 2
    assert (study.common.people, study.common.seeds, study.common.impostors) == (3, 1, 2 * 3 * 2)
    assert [one.name for one in study.variants] == ["one shuffle", "from scratch"]
    assert told.count("a person's model") == 6
    assert study.learning_seconds == 1
    for row in (*study.own.rows, *study.common.rows):
        assert 0 <= row.area.low <= row.area.value <= row.area.high <= 1
    text = study_text(study)
    assert "looks alone" in text and "from scratch" in text and "People outside training: 3; faces: 3; seeds: 2" in text
    write_study(study, tmp_path)
    document = json.loads((tmp_path / "person_models.json").read_text())
    assert document["own"]["fit"]["own"]["value"] == pytest.approx(study.own.fit.own.value)
    assert (tmp_path / "person_models.png").stat().st_size > 1000
    with pytest.raises(DataError, match="no variant is called 'upside down'"):
        run_study(replace(plan, variants=("upside down",)), sides, None)


def test_movements_are_read_out_of_what_the_tracker_saw(generals: tuple[Path, ...], tmp_path: Path) -> None:
    people = everybody(2)
    arrays: dict[str, NDArray[Any]] = {}
    for recordings in people.values():
        for one in recordings:
            scores = np.zeros((30, 52), np.uint8)
            scores[::3, 7] = 200  # active in a third of the frames
            scores[:, 9] = 255  # always
            arrays[f"{one.key}|blend"], arrays[f"{one.key}|ok"] = scores, np.arange(30) > 0
    np.savez(tmp_path / "tracks.npz", **arrays)  # type: ignore[arg-type]  # numpy takes one of its options for a key
    recordings = people["0"]
    faces = labelled([*recordings, recording(0, 12, "day", "0/0"), recording(0, 30, "day", "unknown")], tmp_path)
    assert faces.faces.shape == (8 * 29, 64, 64)
    assert faces.moves.shape == (8 * 29, 52)
    assert int(faces.moves[:, 7].sum()) == 8 * 9
    torch.manual_seed(0)
    models = [PersonModel(TINY).eval() for _ in range(2)]
    sides = [
        Enrolled(name, int(name), ANY_FACE, tuple(person[:4]), tuple(person[4:])) for name, person in people.items()
    ]
    found = read_out_scores(sides, models[0], models, tmp_path, tmp_path)
    assert [one.movements for one in found] == [1, 1]
    assert all(0 <= one.own <= 1 and 0 <= one.pixels <= 1 for one in found)
    with pytest.raises(DataError, match="no blendshapes"):
        labelled([recording(0, 30, "day", "unknown")], tmp_path)
    with pytest.raises(DataError, match=r"tracks\.npz"):
        labelled(recordings, tmp_path / "nowhere")


def test_intervals_are_over_people() -> None:
    found = over_people(np.array([1.0, 1.0, 3.0, 3.0]))
    assert found.value == 2
    assert 1 <= found.low < 2 < found.high <= 3
