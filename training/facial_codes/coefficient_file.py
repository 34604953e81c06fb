"""FLAME coefficients of users who hold its licence, read from their own files; nothing of FLAME is shipped.

A file is an .npz with `expression` (n, 50) or (n, 100), `jaw` (n, 3) and `fps`, or a .csv with as many columns of
numbers, one row a frame. EMOCA gives 53 (50 expression + 3 jaw), VGGHeads 103 (100 + 3).
"""

from __future__ import annotations

from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from training.errors import DataError
from training.facial_codes.clips import ExpressionClip

WIDTHS = (53, 103)
RATES = (10.0, 120.0)
"""Frames a second that a recording may have."""
LEAST_SECONDS = 1.0
_EVERY = 5
"""Of this many files one is held out."""


def read_coefficients(path: Path, fps: float | None = None) -> tuple[NDArray[np.float32], float]:
    """Coefficients (n, 53) or (n, 103), expression then jaw, and their rate.

    fps: needed for .csv; of an .npz it must agree with the file's own. Raises DataError for another width, a rate
    outside 10-120, numbers that are not finite, and less than a second.
    """
    values, own = _read_archive(path) if path.suffix == ".npz" else _read_table(path)
    if own is not None and fps is not None and abs(own - fps) > 1e-3:
        raise DataError(f"{path} says {own:g} frames a second, and {fps:g} was given; leave one out")
    rate = own if own is not None else fps
    if rate is None:
        raise DataError(f"{path} does not say its rate; give the frames a second")
    _check(path, values, rate)
    return values.astype(np.float32), rate


def coefficient_clips(folder: Path, fps: float | None = None) -> list[ExpressionClip]:
    """All files of a folder, each a recording of its own; every fifth, the last one at least, is `val`, others `train`.

    Raises DataError for fewer than two files, for files of different widths, and as `read_coefficients` does.
    """
    paths = sorted(path for path in folder.glob("*") if path.suffix in (".npz", ".csv"))
    if len(paths) < 2:
        raise DataError(
            f"{folder} holds {len(paths)} files of coefficients; two at least are needed, one of them held out"
        )
    clips: list[ExpressionClip] = []
    for place, path in enumerate(paths):
        values, rate = read_coefficients(path, fps)
        if clips and values.shape[1] != clips[0].values.shape[1]:
            raise DataError(
                f"{path} has {values.shape[1]} coefficients, {paths[0].name} another number; keep them apart"
            )
        held = place % _EVERY == _EVERY - 1 or place == len(paths) - 1
        seconds = np.arange(len(values)) / rate
        clips.append(ExpressionClip(path.stem, path.stem, "flame", "val" if held else "train", values, seconds))
    return clips


def coefficient_names(width: int) -> tuple[str, ...]:
    """Names of 53 or 103 coefficients: expression_0 ..., jaw_0 to jaw_2."""
    return (*(f"expression_{place}" for place in range(width - 3)), "jaw_0", "jaw_1", "jaw_2")


def _check(path: Path, values: NDArray[np.float64], rate: float) -> None:
    if values.ndim != 2 or values.shape[1] not in WIDTHS:
        raise DataError(
            f"{path} holds coefficients of shape {values.shape}; 53 (50 expression + 3 jaw) or 103 (100 + 3) a "
            "frame can be read"
        )
    if not RATES[0] <= rate <= RATES[1]:
        raise DataError(f"{path} has {rate:g} frames a second; between {RATES[0]:g} and {RATES[1]:g} can be used")
    bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if len(bad):
        raise DataError(
            f"{path}: {len(bad)} frames hold no finite numbers, the first is frame {bad[0]}; leave them out"
        )
    if len(values) < LEAST_SECONDS * rate:
        raise DataError(f"{path} is {len(values) / rate:.2f} s long; at least {LEAST_SECONDS:g} s are needed")


def _read_archive(path: Path) -> tuple[NDArray[np.float64], float | None]:
    try:
        with path.open("rb") as file, np.load(file) as arrays:
            parts = [np.atleast_2d(np.asarray(arrays[name], np.float64)) for name in ("expression", "jaw")]
            rate = float(arrays["fps"]) if "fps" in arrays else None
        if len(parts[0]) != len(parts[1]):
            raise ValueError(f"{len(parts[0])} frames of expression and {len(parts[1])} of jaw")
        if parts[1].shape[1] != 3:
            raise ValueError(f"a jaw of {parts[1].shape[1]} numbers, not 3")
        return np.concatenate(parts, axis=1), rate
    except (OSError, KeyError, ValueError, TypeError, BadZipFile) as error:
        raise DataError(f"cannot read coefficients in {path}: {error}; expected expression, jaw and fps") from error


def _read_table(path: Path) -> tuple[NDArray[np.float64], None]:
    try:
        return np.atleast_2d(np.loadtxt(path, delimiter=",", ndmin=2)), None
    except (OSError, ValueError) as error:
        raise DataError(f"cannot read coefficients in {path}: {error}; expected rows of numbers with commas") from error
