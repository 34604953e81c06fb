"""What is kept is used for what it was made for, and for nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from training.data.recipe import RECIPE, claim, read_recipe
from training.errors import DataError
from training.evaluation.bench_clips import BenchSource, bench_clips
from training.evaluation.day_clips import day_clips

SOURCE = BenchSource(None, None, None, seeds=2)


def test_the_same_recipe_is_welcome_again_and_another_is_named(tmp_path: Path) -> None:
    file = tmp_path / "clips" / RECIPE
    recipe = {"seeds": 300, "windows": (36, 128), "data": tmp_path / "here" / ".." / "people"}
    claim(file, recipe, kept=False)
    claim(file, {**recipe, "data": tmp_path / "people"}, kept=True)
    with pytest.raises(DataError, match=r"otherwise \(seeds 300, not 4, windows 36,128, not 36; see recipe"):
        claim(file, {**recipe, "seeds": 4, "windows": (36,)}, kept=True)
    claim(file, {"seeds": 4}, kept=False)  # nothing was made by the first one
    assert read_recipe(file) == {"seeds": 4}


def test_what_an_older_version_left_is_used_and_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for seeds in (1, 2):
        claim(tmp_path / RECIPE, {"seeds": seeds}, kept=True)
    assert len(caplog.records) == 1
    assert "does not tell what it was made from" in caplog.text
    assert read_recipe(tmp_path / RECIPE) is None


@pytest.mark.parametrize("content", ["{", "[1]"])
def test_a_damaged_recipe_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / RECIPE).write_text(content)
    with pytest.raises(DataError, match="is no recipe"):
        claim(tmp_path / RECIPE, {}, kept=True)


def test_a_bench_of_other_people_is_not_taken_for_this_one(tmp_path: Path) -> None:
    (tmp_path / "mesh_warp.npz").touch()
    claim(tmp_path / "mesh_warp.json", SOURCE.recipe("mesh_warp"), kept=False)
    for other, told in (
        (replace(SOURCE, seeds=3), "seeds 2, not 3"),
        (replace(SOURCE, portraits=tmp_path), "portraits"),
    ):
        with pytest.raises(DataError, match=told):
            bench_clips(other, ("mesh_warp",), tmp_path)
    with pytest.raises(DataError, match="delete it"):  # the right one, but damaged; warps need no face model
        bench_clips(replace(SOURCE, face_mesh=tmp_path), ("mesh_warp",), tmp_path)


def test_days_are_of_real_people_whatever_the_seeds(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="give --data"):
        day_clips(SOURCE, "mesh_warp", tmp_path)
    (tmp_path / "days_mesh_warp.npz").touch()
    with pytest.raises(DataError, match="delete it"):
        day_clips(replace(SOURCE, seeds=3), "mesh_warp", tmp_path)
    with pytest.raises(DataError, match="otherwise"):
        day_clips(replace(SOURCE, data=tmp_path), "mesh_warp", tmp_path)
