"""FLAME coefficients from users' files: both widths, and clear refusals of everything else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from training.cli import app
from training.errors import DataError
from training.facial_codes.coefficient_file import coefficient_clips, read_coefficients
from training.facial_codes.stored import load_codes


def _archive(path: Path, width: int = 50, frames: int = 60, **changed: Any) -> Path:
    arrays: dict[str, Any] = {
        "expression": np.ones((frames, width)),
        "jaw": np.zeros((frames, 3)),
        "fps": 25.0,
        **changed,
    }
    np.savez(path, **{name: value for name, value in arrays.items() if value is not None})
    return path


@pytest.mark.parametrize("width", [50, 100])
def test_both_widths_are_read_expression_first(tmp_path: Path, width: int) -> None:
    values, fps = read_coefficients(_archive(tmp_path / "a.npz", width))
    assert (values.shape, str(values.dtype), fps) == ((60, width + 3), "float32", 25.0)
    assert (values[:, :width] == 1).all()
    assert (values[:, width:] == 0).all()


def test_a_table_needs_its_rate_given(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    np.savetxt(path, np.ones((40, 53)), delimiter=",")
    assert read_coefficients(path, 30)[0].shape == (40, 53)
    with pytest.raises(DataError, match="does not say its rate"):
        read_coefficients(path)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"width": 51}, r"shape \(60, 54\); 53 .* or 103"),
        ({"fps": 2.0}, "2 frames a second; between 10 and 120"),
        ({"frames": 10}, "0.40 s long; at least 1 s"),
        ({"jaw": np.zeros((59, 3))}, "60 frames of expression and 59 of jaw"),
        ({"jaw": np.zeros((60, 4))}, "a jaw of 4 numbers"),
        ({"jaw": None}, "expected expression, jaw and fps"),
        ({"fps": None}, "does not say its rate"),
        ({"expression": np.full((60, 50), np.nan)}, "60 frames hold no finite numbers, the first is frame 0"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path: Path, changed: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError, match=said):
        read_coefficients(_archive(tmp_path / "a.npz", **changed))


def test_a_rate_that_contradicts_the_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="says 25 frames a second, and 30 was given"):
        read_coefficients(_archive(tmp_path / "a.npz"), 30)


@pytest.mark.parametrize("name", ["a.npz", "a.csv"])
def test_damaged_and_missing_files_are_refused(tmp_path: Path, name: str) -> None:
    for content in (None, b"PK\x03\x04 no archive", b"one,two\nthree"):
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match="cannot read coefficients"):
            read_coefficients(tmp_path / name, 25)


def test_a_folder_of_files_becomes_codes(tmp_path: Path) -> None:
    files = tmp_path / "files"
    files.mkdir()
    random = np.random.default_rng(0)
    for number in range(3):
        _archive(files / f"{number}.npz", expression=random.normal(size=(60, 50)))
    assert [clip.split for clip in coefficient_clips(files)] == ["train", "train", "val"]
    given = ["codes", "fit-coefficients", str(files), "--out", str(tmp_path / "run"), "--codes", "8", "--steps", "2"]
    result = CliRunner().invoke(app, [*given, "--threads", "1"])
    assert result.exit_code == 0, result.output
    kept = load_codes(tmp_path / "run")
    assert (kept.names[0], kept.names[-1], len(kept.names), kept.levelled) == ("expression_0", "jaw_2", 53, True)
    assert kept.network.templates().shape == (8, 53)
    again = CliRunner().invoke(app, given)
    assert again.exit_code == 1
    assert "already holds facial codes" in again.output


def test_files_of_two_widths_and_a_single_file_are_refused(tmp_path: Path) -> None:
    _archive(tmp_path / "a.npz")
    with pytest.raises(DataError, match="holds 1 files"):
        coefficient_clips(tmp_path)
    _archive(tmp_path / "b.npz", 100)
    with pytest.raises(DataError, match="has 103 coefficients"):
        coefficient_clips(tmp_path)
