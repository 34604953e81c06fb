"""Named arrays in one .npz file that is either whole or not there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def save_arrays(path: Path, arrays: Mapping[str, NDArray[Any]], *, compressed: bool = False) -> None:
    """Write beside the final name and swap: a run that is ended half-way leaves what was there."""
    part = path.with_name(f"{path.name}.part")
    with part.open("wb") as file:
        (np.savez_compressed if compressed else np.savez)(file, **arrays)  # type: ignore[arg-type] # and an option
    part.replace(path)
