"""Own coefficient files: what is read, and the reason for which each other file is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from training.errors import DataError
from training.expression_dynamics.coefficient_files import FLAME_WIDTH, load_file, load_folder

RANDOM = np.random.default_rng(0)


def npz(path: Path, rows: int = 200, width: int = FLAME_WIDTH, rate: float = 25.0, **more: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {"coefficients": RANDOM.normal(size=(rows, width)), "rate_hz": rate, **more}
    np.savez(path, **arrays)  # type: ignore[arg-type]
    return path


def table(path: Path, seconds: np.ndarray, width: int = FLAME_WIDTH, first: str = "seconds") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    values = RANDOM.normal(size=(len(seconds), width))
    lines = [",".join([first, *(f"c{place}" for place in range(width))])]
    lines += [",".join(map(str, [at, *row])) for at, row in zip(seconds, values, strict=True)]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_folder_gives_people_by_their_folders_at_one_rate(tmp_path: Path) -> None:
    npz(tmp_path / "anna" / "monday.npz", rows=200, rate=50.0, shape=RANDOM.normal(size=(200, 30)))
    table(tmp_path / "bert" / "friday.csv", np.arange(120) / 30)
    monday, friday = load_folder(tmp_path)
    assert (monday.person, monday.session) == ("anna", "monday")
    assert monday.values.shape == (100, FLAME_WIDTH)
    assert monday.shape.shape == (100, 30)
    assert (friday.person, friday.session) == ("bert", "friday")
    assert friday.values.shape == (100, FLAME_WIDTH)
    assert friday.shape.shape == (100, 0)


def test_a_rate_that_is_not_even_is_made_so_by_time(tmp_path: Path) -> None:
    seconds = np.cumsum(RANDOM.uniform(0.02, 0.05, 200))
    path = table(tmp_path / "anna" / "one.csv", seconds, width=2)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], *(f"{at},{at},{-at}" for at in seconds)]) + "\n")
    found = load_file(path, width=2)
    np.testing.assert_allclose(np.diff(found.values[:, 0]), 1 / 25, atol=1e-5)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"width": 53}, "holds 53 coefficients a row, not 103"),
        ({"rate": 5.0}, "5 rows per second; 10 to 130"),
        ({"rate": 1000.0}, "1e.03 rows per second"),
        ({"rate": 0.0}, "rate_hz of 0"),
        ({"rows": 40}, "lasts 1.6 s; 2.6 s are needed"),
        ({"rows": 1}, "too short"),
        ({"shape": np.zeros((3, 10))}, "do not fit 200 rows"),
        ({"coefficients": np.zeros(200)}, "an array of shape"),
        ({"coefficients": np.full((200, 103), np.nan)}, "row 0 and 199 more hold numbers that are not finite"),
        ({"coefficients": np.full((200, 103), 1e6)}, "no expression coefficient reaches"),
    ],
)
def test_what_cannot_be_used_is_refused_with_the_reason(tmp_path: Path, change: dict[str, object], why: str) -> None:
    path = npz(tmp_path / "anna" / "one.npz", **change)  # type: ignore[arg-type]
    with pytest.raises(DataError, match=why):
        load_file(path)


@pytest.mark.parametrize(
    ("seconds", "why"),
    [
        (np.arange(200) / 25 * (np.arange(200) != 7), "runs back after row 6"),
        (np.arange(200) / 25 + (np.arange(200) > 50), "1.0 s are missing after row 50"),
        (np.arange(200) * 40.0, "Time is in seconds"),
    ],
)
def test_time_that_cannot_be_used_is_refused(tmp_path: Path, seconds: np.ndarray, why: str) -> None:
    with pytest.raises(DataError, match=why):
        load_file(table(tmp_path / "anna" / "one.csv", seconds))


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="laid out PERSON/RECORDING"):
        load_folder(tmp_path)
    other = tmp_path / "anna" / "one.npz"
    other.parent.mkdir()
    np.savez(other, something=np.zeros(3))
    with pytest.raises(DataError, match="needs `coefficients` and `rate_hz`"):
        load_file(other)
    other.write_bytes(b"no archive")
    with pytest.raises(DataError, match="holds no coefficients"):
        load_file(other)
    with pytest.raises(DataError, match="first column is `seconds`"):
        load_file(table(tmp_path / "anna" / "two.csv", np.arange(100) / 25, first="frame"))
    words = tmp_path / "anna" / "three.csv"
    words.write_text("seconds,c0\n0,smile\n")
    with pytest.raises(DataError, match="no table of numbers"):
        load_file(words)
