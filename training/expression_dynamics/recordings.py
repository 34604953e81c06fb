"""Recordings of people as series of numbers a frame, and those of REACT-Nao, whose landmark signals are published."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from training.errors import DataError

Channels = Literal["signals", "action_units"]
"""17 landmark signals, in which a constant face shape can be taken off; or 17 action-unit intensities, in which it
cannot: they are clipped at 0 and scaled to the person."""

REACT_NAO_HZ = 10.7
"""Rows per second, about; inferred from the game's frame numbers, since the files hold no time stamps."""
_CONFIDENCE = 0.8
"""Rows that the tracker trusts less are left out."""

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Recording:
    """values: float32 (n, C), one row a frame. shape: float32 (n, S), the tracker's estimate of the face's own shape at
    the same rows; S = 0 where there is none. session: sorts in the order of recording."""

    person: str
    session: str
    values: Floats
    shape: Floats


def load_react_nao(file: Path, channels: Channels) -> list[Recording]:
    """All recordings of `react_nao.npz`, rows of confidence 0.8 or more; shape = 34 coefficients of OpenFace's PDM.

    Raises DataError for a file that holds something else.
    """
    try:
        with file.open("rb") as opened, np.load(opened) as arrays:
            return list(_recordings(arrays, channels))
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise DataError(f"{file} is not react_nao.npz of the expression data ({error})") from error


def _recordings(arrays: np.lib.npyio.NpzFile, channels: Channels) -> Iterator[Recording]:
    columns = [str(name) for name in arrays["columns"]]
    confidence = columns.index("confidence")
    shape = [place for place, name in enumerate(columns) if name.startswith("p_")]
    units = [place for place, name in enumerate(columns) if name.startswith("AU")]
    names = [key.removesuffix("|signals") for key in arrays.files if key.endswith("|signals")]
    if not names:
        raise DataError("it holds no recording")
    for name in names:
        coefficients = arrays[f"{name}|coefficients"].astype(np.float32)
        signals = arrays[f"{name}|signals"].astype(np.float32)
        kept = (coefficients[:, confidence] >= _CONFIDENCE) & np.isfinite(signals).all(axis=1)
        values = signals if channels == "signals" else coefficients[:, units]
        person, _, game = name.rpartition("_")
        yield Recording(person, game, values[kept], coefficients[kept][:, shape])


def by_person(recordings: Sequence[Recording], at_least: int, rows: int) -> dict[str, list[Recording]]:
    """Recordings of `rows` rows or more, in order, of everybody who has `at_least` of them. Raises DataError for
    fewer than two people."""
    found: dict[str, list[Recording]] = {}
    for one in sorted(recordings, key=lambda one: (one.person, one.session)):
        if len(one.values) >= rows:
            found.setdefault(one.person, []).append(one)
    kept = {person: own for person, own in found.items() if len(own) >= at_least}
    if len(kept) < 2:
        raise DataError(
            f"{len(kept)} people have {at_least} recordings of {rows} rows or more; two are needed to tell apart"
        )
    return kept
