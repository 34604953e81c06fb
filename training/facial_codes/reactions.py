"""REACT-Nao: action units of people who play games with a robot, as OpenFace tracked them (seed_systems.md 5 and 6)."""

from __future__ import annotations

from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from training.errors import DataError
from training.facial_codes.clips import ExpressionClip

ROWS_PER_SECOND = 10.7
"""Inferred, not stated by the data set."""
_LEAST_CONFIDENCE = 0.8
_UNITS_SUFFIX = "_r"


def unit_clips(folder: Path) -> tuple[list[ExpressionClip], tuple[str, ...]]:
    """All recordings as intensities (n, 17) of action units, 0-5, and the units' names.

    Rows that were tracked with a confidence below 0.8 are left out. The split is `train` for all: whoever measures
    holds people out. Raises DataError where the file is missing or unfit.
    """
    path = folder / "react_nao.npz"
    try:
        with path.open("rb") as file, np.load(file) as arrays:
            columns = [str(name) for name in arrays["columns"]]
            intensities = [name for name in columns if name.startswith("AU") and name.endswith(_UNITS_SUFFIX)]
            units = [columns.index(name) for name in intensities]
            keys = sorted(name.removesuffix("|coefficients") for name in arrays if name.endswith("|coefficients"))
            clips = []
            for key in keys:
                rows = arrays[f"{key}|coefficients"].astype(np.float32)
                good = rows[:, columns.index("confidence")] >= _LEAST_CONFIDENCE
                person, _, game = key.partition("_")
                seconds = np.flatnonzero(good) / ROWS_PER_SECOND
                clips.append(ExpressionClip(person, game, "react_nao", "train", rows[good][:, units], seconds))
    except (OSError, KeyError, ValueError, BadZipFile) as error:
        raise DataError(
            f"cannot read REACT-Nao recordings in {path}: {error}; expected columns and coefficients"
        ) from error
    if not units or not clips:
        raise DataError(f"{path} holds no action units; expected columns such as AU12_r")
    return [clip for clip in clips if len(clip.values)], tuple(intensities)
