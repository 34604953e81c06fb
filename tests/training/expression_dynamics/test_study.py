"""The study from recordings to a page: rows, what is kept, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from training.cli import app
from training.errors import DataError
from training.expression_dynamics.closed_form import deviations, level
from training.expression_dynamics.page import page_text
from training.expression_dynamics.protocols import closed_split, closed_tally
from training.expression_dynamics.recordings import Recording, load_react_nao
from training.expression_dynamics.rows import REFERENCE_ROW, FusedRow, Row, Size, compared_rows
from training.expression_dynamics.session import Run, Source, run_study, set_up
from training.expression_dynamics.study import Protocol, Study
from training.expression_dynamics.systems import Trained, closed_form

PROTOCOL = Protocol(frames=60, draws=2, held_out=4)
ROWS = (
    Row(REFERENCE_ROW, closed_form(deviations, "median", 60)),
    Row("level", closed_form(level, "none", 60), verified=False),
    Row("twice", closed_form(deviations, "mean", 60), seeds=2),
)
FUSED = FusedRow("both", {REFERENCE_ROW: 1.0, "twice": 2.0})


def study_of(people: list[Recording], out: Path) -> Study:
    return Study({"signals": people}, PROTOCOL, {"of": "a test"}, out)


def test_a_study_becomes_a_page_with_a_picture_and_numbers(people_apart: list[Recording], tmp_path: Path) -> None:
    run = Run(study_of(people_apart, tmp_path), ROWS, (FUSED,), ROWS, "Ten artificial people.")
    assert run.trainings == 3 + 1 + 6
    told: list[None] = []
    page = run_study(run, tmp_path, 1, lambda: told.append(None))
    assert page is not None
    assert len(told) == run.trainings
    reference, of_level, twice, both = page.rows
    assert reference.closed.first.value > 0.5 > 0.3 > of_level.closed.first.value
    assert of_level.open is None
    assert twice.seeds == both.seeds == 2
    assert both.open is not None
    assert both.open.area.low <= both.open.area.value <= both.open.area.high
    text = (tmp_path / "expression_dynamics.md").read_text()
    assert text == page_text(page)
    assert "| level | 1 |" in text
    assert "## Drift-to-noise ratio" in text
    found = json.loads((tmp_path / "expression_dynamics.json").read_text())
    assert [row["name"] for row in found["rows"]] == [REFERENCE_ROW, "level", "twice", "both"]
    assert (tmp_path / "expression_dynamics.png").read_bytes().startswith(b"\x89PNG")


def test_what_was_trained_is_kept_and_not_trained_again(people_apart: list[Recording], tmp_path: Path) -> None:
    study_of(people_apart, tmp_path).train(ROWS)

    def never(*_: object) -> Trained:
        raise AssertionError("trained again")

    kept = [Row(row.name, never, seeds=row.seeds, verified=row.verified) for row in ROWS]
    again = study_of(people_apart, tmp_path)
    again.train(kept)
    assert again.result(kept[0]).closed.first.value > 0.5
    next((tmp_path / "outputs").glob("*.npz")).write_bytes(b"damaged")
    with pytest.raises(DataError, match="holds no outputs of a row"):
        again.train(kept)


def test_foreign_folders_and_other_recipes_are_refused(people_apart: list[Recording], tmp_path: Path) -> None:
    (tmp_path / "diary.txt").write_text("mine")
    with pytest.raises(DataError, match="something else"):
        study_of(people_apart, tmp_path)
    own = tmp_path / "own"
    study_of(people_apart, own)
    with pytest.raises(DataError, match="made otherwise"):
        Study({"signals": people_apart}, PROTOCOL, {"of": "another test"}, own)


def test_shuffled_time_and_action_units_are_rows_where_recordings_hold_units() -> None:
    with_units, fused = compared_rows(Size(), units=True)
    names = [row.name for row in with_units]
    assert names[0] == REFERENCE_ROW
    assert "Conformer on shuffled time" in names
    assert set(fused[0].parts) <= set(names)
    assert all("," not in name for name in names)  # --only lists names by commas
    assert len(compared_rows(Size(), units=False)[0]) == len(names) - 3


def test_unknown_rows_and_no_source_are_refused(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["expressions", "study", "--out", str(tmp_path / "out")])
    assert result.exit_code == 1
    assert "say either --data" in result.output
    with pytest.raises(DataError, match="no coefficients in"):
        set_up(Source(None, tmp_path), Size(), Protocol(), tmp_path / "out", [])


def test_own_files_are_studied_from_the_command_line(people_apart: list[Recording], tmp_path: Path) -> None:
    for one in people_apart:
        folder = tmp_path / "files" / one.person
        folder.mkdir(parents=True, exist_ok=True)
        np.savez(folder / f"{one.session}.npz", coefficients=one.values, rate_hz=25.0)
    arguments = ["expressions", "study", "--coefficients", str(tmp_path / "files"), "--width", "5", "--threads", "1"]
    arguments += ["--window", "60", "--held-out", "4", "--draws", "1", "--out", str(tmp_path / "out")]
    some = CliRunner().invoke(app, [*arguments, "--only", "landmark line,log covariance"])
    assert some.exit_code == 0, some.output
    assert "without --only" in some.output
    assert len(list((tmp_path / "out" / "outputs").glob("*.npz"))) == 4
    wrong = CliRunner().invoke(app, [*arguments, "--only", "landmark lime"])
    assert wrong.exit_code == 1
    assert "no row 'landmark lime'; there are: landmark line" in wrong.output.replace("\n", " ")


def test_the_reference_line_is_met_on_the_published_recordings(shared_data: Path) -> None:
    """0.564 of windows, as the reference found it (seed_systems.md 6.2)."""
    recordings = load_react_nao(shared_data / "expressions" / "react_nao.npz", "signals")
    assert len(recordings) == 225
    split = closed_split(recordings, 100)
    assert len(split.asked) == 46
    trained = closed_form(deviations, "median", 100)(split.train, 0)
    tally = closed_tally(trained.logits(split.probe.values), split)
    assert tally.first.sum() / tally.windows.sum() == pytest.approx(0.564, abs=0.003)


def test_a_file_that_is_no_react_nao_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "react_nao.npz"
    np.savez(path, columns=np.array(["confidence"]))
    with pytest.raises(DataError, match="holds no recording"):
        load_react_nao(path, "signals")
    path.write_bytes(b"")
    with pytest.raises(DataError, match=r"is not react_nao\.npz"):
        load_react_nao(path, "signals")
