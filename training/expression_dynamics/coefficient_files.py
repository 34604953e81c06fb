"""Coefficient series out of people's own files: FLAME's 100 expression and 3 jaw numbers, or any other width.

The paper's coefficients come from FLAME, which asks for a licence; who holds one tracks with a tool of their own. A
folder is laid out PERSON/RECORDING.npz or .csv. A .npz holds `coefficients` float (n, 103), `rate_hz` and, for the
drift-to-noise ratio, `shape` float (n, S). A .csv has the columns `seconds` and then the coefficients, by any name.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from training.errors import DataError
from training.expression_dynamics.recordings import Floats, Recording

FLAME_WIDTH = 103
"""100 expression + 3 jaw; no shape, no pose (arXiv 2510.11223; the numbers are inferred, seed_systems.md 1.1)."""
COMMON_HZ = 25.0
"""To which every series is brought, so that the rate cannot tell people apart."""
_RATES = (10.0, 130.0)
_SHORTEST_ROWS = 64
_LONGEST_STEP_SECONDS = 0.5
_LARGEST = 1e4
"""No expression coefficient is that large; a column of pixels or milliseconds is."""
_ENDINGS = (".npz", ".csv")


def load_folder(folder: Path, width: int = FLAME_WIDTH) -> list[Recording]:
    """Every recording below PERSON/ of a folder. Raises DataError for a folder without any, and for the first file that
    cannot be used, with the reason."""
    files = sorted(path for ending in _ENDINGS for path in folder.glob(f"*/*{ending}"))
    if not files:
        raise DataError(f"no coefficients in {folder}; it is laid out PERSON/RECORDING.npz or .csv")
    return [load_file(path, width) for path in files]


def load_file(path: Path, width: int = FLAME_WIDTH) -> Recording:
    """One recording at COMMON_HZ; its folder names the person. Raises DataError with what is wrong with the file."""
    values, shape, seconds = _read_npz(path) if path.suffix == ".npz" else _read_csv(path)
    _check(path, values, shape, seconds, width)
    wanted = seconds[0] + np.arange(int((seconds[-1] - seconds[0]) * COMMON_HZ + 1e-6) + 1) / COMMON_HZ
    if len(wanted) < _SHORTEST_ROWS:
        raise DataError(
            f"{path} lasts {seconds[-1] - seconds[0]:.1f} s; {_SHORTEST_ROWS / COMMON_HZ:.1f} s are needed at least"
        )
    return Recording(path.parent.name, path.stem, _at(values, seconds, wanted), _at(shape, seconds, wanted))


def _check(
    path: Path, values: NDArray[np.float64], shape: NDArray[np.float64], seconds: NDArray[np.float64], width: int
) -> None:
    if values.ndim != 2 or values.shape[1] != width:
        found = f"{values.shape[1]} coefficients a row" if values.ndim == 2 else f"an array of shape {values.shape}"
        raise DataError(f"{path} holds {found}, not {width}; say --width, or give expression and jaw alone")
    if shape.ndim != 2 or len(shape) != len(values) or len(seconds) != len(values):
        raise DataError(f"{path}: shape {shape.shape} and time ({len(seconds)}) do not fit {len(values)} rows")
    if len(values) < 2:
        raise DataError(f"{path} holds {len(values)} rows: too short")
    bad = ~np.isfinite(values).all(axis=1) | ~np.isfinite(shape).all(axis=1) | ~np.isfinite(seconds)
    if bad.any():
        raise DataError(
            f"{path}: row {int(np.argmax(bad))} and {int(bad.sum()) - 1} more hold numbers that are not finite; "
            "leave out rows in which no face was found, and give their time in a .csv"
        )
    if np.abs(values).max() > _LARGEST:
        raise DataError(f"{path} holds {np.abs(values).max():.3g}, which no expression coefficient reaches")
    steps = np.diff(seconds)
    if not (steps > 0).all():
        raise DataError(f"{path}: time stands still or runs back after row {int(np.argmin(steps > 0))}")
    rate = 1 / float(np.median(steps))
    if not _RATES[0] <= rate <= _RATES[1]:
        raise DataError(
            f"{path} has {rate:.3g} rows per second; {_RATES[0]:g} to {_RATES[1]:g} can be used. Time is in seconds"
        )
    if steps.max() > _LONGEST_STEP_SECONDS:
        raise DataError(
            f"{path}: {steps.max():.1f} s are missing after row {int(np.argmax(steps))}; cut the recording there"
        )


def _read_npz(path: Path) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    try:
        with path.open("rb") as file, np.load(file) as arrays:
            values = np.asarray(arrays["coefficients"], np.float64)
            rate = float(arrays["rate_hz"])
            shape = np.asarray(arrays["shape"], np.float64) if "shape" in arrays else np.zeros((len(values), 0))
    except (OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile) as error:
        raise DataError(f"{path} holds no coefficients ({error}); it needs `coefficients` and `rate_hz`") from error
    if not rate > 0:
        raise DataError(f"{path} has a rate_hz of {rate:g}; it is rows per second")
    return values, shape, np.arange(len(values)) / rate


def _read_csv(path: Path) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            header, *rows = list(csv.reader(file))
        table = np.array([[float(cell) for cell in row] for row in rows], np.float64).reshape(len(rows), -1)
    except (OSError, ValueError) as error:
        raise DataError(f"{path} is no table of numbers ({error})") from error
    if not header or header[0].strip() != "seconds":
        raise DataError(f"{path}: the first column is `seconds`, found {header[0] if header else 'nothing'!r}")
    return table[:, 1:], np.zeros((len(table), 0)), table[:, 0]


def _at(values: NDArray[np.float64], seconds: NDArray[np.float64], wanted: NDArray[np.float64]) -> Floats:
    columns: Sequence[NDArray[np.float64]] = [np.interp(wanted, seconds, column) for column in values.T]
    return np.stack(columns, axis=1).astype(np.float32) if columns else np.zeros((len(wanted), 0), np.float32)
