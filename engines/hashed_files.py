"""Files of a folder that a manifest vouches for: size and SHA-256 are checked before anything is read from them."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engines.errors import ModelFolderError
from engines.manifest import FileEntry
from engines.manifest_file import FolderKind

_UNIT_TOLERANCE = 1e-3


def file_entry(content: bytes) -> FileEntry:
    """What a manifest says about a file of this content."""
    return FileEntry(size_bytes=len(content), sha256=hashlib.sha256(content).hexdigest())


def verified_content(path: Path, entry: FileEntry, kind: FolderKind) -> bytes:
    """The bytes of a file, as they were when its manifest was written.

    Raises ModelFolderError where the file is missing, truncated or altered.
    """
    again = f"copy the {kind.name} folder again"
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise ModelFolderError(f"{path}: missing; {again}") from None
    except OSError as error:
        raise ModelFolderError(f"{path}: cannot be read ({error.strerror})") from None
    if len(content) != entry.size_bytes:
        raise ModelFolderError(
            f"{path}: {len(content)} bytes instead of {entry.size_bytes}, truncated or replaced; {again}"
        )
    if hashlib.sha256(content).hexdigest() != entry.sha256:
        raise ModelFolderError(f"{path}: SHA-256 does not fit {kind.manifest}, altered; {again}")
    return content


def cohort_rows(content: bytes, embedding_size: int, path: Path) -> NDArray[np.float32]:
    """A cohort of `cohort.npy`: float32 (m, D), m >= 2, L2-normalised rows, read-only. Raises ModelFolderError."""
    try:
        cohort = np.load(io.BytesIO(content), allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ModelFolderError(f"{path}: not a readable array ({error})") from None
    shape = getattr(cohort, "shape", None)
    if shape is None or len(shape) != 2 or shape[0] < 2 or shape[1] != embedding_size or cohort.dtype != np.float32:
        raise ModelFolderError(f"{path}: needs float32 (at least 2, {embedding_size}), found shape {shape}")
    if not np.all(np.abs(np.linalg.norm(cohort, axis=1) - 1) < _UNIT_TOLERANCE):
        raise ModelFolderError(f"{path}: rows are not L2-normalised")
    rows: NDArray[np.float32] = cohort
    rows.setflags(write=False)
    return rows
