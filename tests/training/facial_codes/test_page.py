"""Study, page and command line: a grid is kept and goes on, a page shows what was measured, bad folders are told."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.training.facial_codes.made_up_faces import SMALL, clip, own_shifts
from training.cli import app
from training.errors import DataError
from training.facial_codes.drivers import SESSIONS
from training.facial_codes.fitting import FitSettings
from training.facial_codes.page import FIGURES, PAGE, PLOT, read_rows, share_explained, write_page
from training.facial_codes.study import SEEDS, TERMS, StudyRun, grid, run_study

RUNNER = CliRunner()
SETTINGS = FitSettings(size=SMALL, steps=5, batch=64)


def _study(out: Path) -> list[dict[str, Any]]:
    clips = [clip(f"p{person}", "0", 80, seed=person) for person in range(3)]
    clips += [replace(clip(f"v{person}", "0", 60, seed=9 + person), split="val") for person in range(2)]
    runs = [StudyRun(codes, "both", 0) for codes in (8, 16)] + [
        StudyRun(16, name, 0) for name in TERMS if name != "both"
    ]
    return run_study(clips, own_shifts(), out, SETTINGS, runs)


def test_the_grid_has_every_codebook_and_every_choice_of_terms_for_each_seed() -> None:
    runs = grid(64)
    assert len(set(runs)) == len(runs) == len(SEEDS) * (4 + 3)
    assert StudyRun(64, "neither", 0).settings(SETTINGS).sparsity == 0
    assert StudyRun(64, "sparsity", 0).settings(SETTINGS).orthogonality == 0
    assert StudyRun(64, "both", 2).settings(SETTINGS) == replace(SETTINGS, seed=2, size=replace(SMALL, codes=64))


def test_a_grid_goes_on_and_refuses_another_recipe(tmp_path: Path) -> None:
    out = tmp_path / "study"
    rows = _study(out)
    kept = out / "k16_both_0.json"
    kept.write_text(json.dumps({**json.loads(kept.read_text()), "perplexity": 99.0}))
    again = _study(out)
    assert [row["perplexity"] for row in again if (row["codes"], row["terms"]) == (16, "both")] == [99.0]
    assert rows[0]["codes"] == 8
    assert len(rows[0]["by_person"]) == 2
    with pytest.raises(DataError, match="made otherwise"):
        run_study([clip("a", "0")], own_shifts(), out, SETTINGS, [])


def _made_up_page(out: Path, folder: Path) -> str:
    study = _study(folder / "study")
    estimate = {"value": 0.7, "low": 0.6, "high": 0.8}
    drivers = [
        {
            "bench": SESSIONS, "levels": levels, "features": "chi-square", "area": estimate, "equal_error": estimate,
            "people": 8, "trials": 100,
        }
        for levels in (True, False)
    ]  # fmt: skip
    traits = [
        {"scale": "openness", "features": name, "people": 60, "correlation": 0.1, "low": -0.1, "high": 0.3, "p": 0.2}
        for name in ("bag of tokens", "units")
    ]
    metric = {**estimate, "name": "AUC", "drivers": 7, "trials": 20, "about": "one window"}
    witness = {"training_data": "Made up.", "limits": "Tells little.", "metrics": [metric]}
    write_page(study, drivers, traits, witness, out)
    return (out / PAGE).read_text()


def test_a_page_shows_every_figure(tmp_path: Path) -> None:
    text = _made_up_page(tmp_path / "out", tmp_path)
    for part in (
        "| 8 | 1 |",
        "| neither | 1 |",
        "chi-square | 0.700 [0.600, 0.800]",
        "+0.10 [-0.10, +0.30], p = 0.200",
    ):
        assert part in text
    assert "Tells little." in text
    assert set(json.loads((tmp_path / "out" / FIGURES).read_text())) == {"study", "drivers", "traits", "witness"}
    assert (tmp_path / "out" / PLOT).stat().st_size > 10_000


def test_intervals_are_over_people() -> None:
    rows = [{"by_person": [[0.2, 0.4], [0.4, 0.8]]}, {"by_person": [[0.4, 0.6], [0.6, 0.8]]}]
    found = share_explained(rows, 2)
    assert found.value == pytest.approx(0.65)
    assert found.low == pytest.approx(0.5)
    assert found.high == pytest.approx(0.8)


@pytest.mark.parametrize("content", [None, "{}", "[]", "no json"])
def test_missing_figures_are_told(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "rows.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(DataError, match="guard-train codes"):
        read_rows(path)


@pytest.mark.parametrize(
    "command", ["fit", "fit-coefficients", "study", "drivers", "open-set", "traits", "pictures", "export", "page"]
)
def test_every_command_explains_itself(command: str) -> None:
    result = RUNNER.invoke(app, ["codes", command, "--help"])
    assert result.exit_code == 0
    assert "Usage" in result.output


def test_a_folder_without_tracks_is_one_line(tmp_path: Path) -> None:
    given = [
        "codes",
        "fit",
        "--out",
        str(tmp_path / "run"),
        "--data",
        str(tmp_path),
        "--mesh",
        str(tmp_path / "no.npz"),
    ]
    result = RUNNER.invoke(app, [*given, "--threads", "1"])
    assert result.exit_code == 1
    assert "cannot read blendshapes" in result.output
