"""Arrays that are costly to make and kept between runs in one file."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any, ClassVar, Self
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from training.data.array_file import save_arrays
from training.errors import DataError


class KeptArrays:
    """Base of frozen dataclasses whose fields are all arrays."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    def save(self, path: Path) -> None:
        """Write what `load` reads."""
        save_arrays(path, {field.name: getattr(self, field.name) for field in fields(self)})

    @classmethod
    def load(cls, path: Path) -> Self:
        """Raises DataError for a file that is none of these."""
        try:
            with path.open("rb") as file, np.load(file) as arrays:
                return cls(**{field.name: arrays[field.name] for field in fields(cls)})
        except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
            raise DataError(f"{path} holds no bench clips ({error}); delete it and compare again") from error


def kept_rows(
    label: str, maker: bytes, frames: NDArray[np.uint8], kept: Path, make: Callable[[], NDArray[np.float32]]
) -> NDArray[np.float32]:
    """What something makes of clips, float32 (n, D): read again where `kept` holds it.

    label: begins the file's name. maker: names by content what makes them, such as weights. frames: uint8 (n, T, H, W).
    """
    # By content: another folder's run of the same name, or a bench rendered anew, must not be taken for this one.
    content = hashlib.sha256(maker)
    content.update(np.ascontiguousarray(frames).data)
    path = kept / f"{label}_{content.hexdigest()[:16]}.npy"
    if path.exists():
        rows: NDArray[np.float32] = np.load(path)
        return rows
    rows = make()
    kept.mkdir(parents=True, exist_ok=True)
    np.save(path, rows)
    return rows
