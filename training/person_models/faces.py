"""People's recordings as person models take them: the guard's crops at half their side, luma alone."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engines.person_models.faces import small_faces
from training.data.luma_clip import LumaClip
from training.data.manifest import NO_GENERATOR, read_manifest
from training.drivers.tracks import Split
from training.errors import DataError

Faces = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Recording:
    """faces: uint8 (n, 64, 64), full-range luma, in time order. key: of the clip's face track."""

    faces: Faces
    session: str
    key: str = ""


@dataclass(frozen=True, slots=True)
class FaceStack:
    """Recordings one after another. faces: uint8 (n, 64, 64). starts, lengths: int64 (r,), of each recording."""

    faces: Faces
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]


def recording(file: Path) -> Recording:
    """A clip that `guard-train prepare` cut. Raises DataError for a file that holds none."""
    return Recording(small_faces(LumaClip.load(file).frames), file.stem)


def stacked(recordings: Sequence[Recording]) -> FaceStack:
    """Raises DataError without a single face."""
    kept = [recording.faces for recording in recordings if len(recording.faces)]
    if not kept:
        raise DataError("there are no recordings to learn a face from")
    lengths = np.array([len(faces) for faces in kept], np.int64)
    return FaceStack(np.concatenate(kept), np.cumsum(lengths) - lengths, lengths)


def people(manifest: Path, splits: Collection[Split]) -> dict[str, tuple[Recording, ...]]:
    """Everybody's camera recordings in these splits, of a manifest that `guard-train prepare` wrote.

    Raises DataError for a manifest of videos that were not cut yet, and where nobody is left.
    """
    listed = read_manifest(manifest)
    found: dict[str, list[Recording]] = {}
    for row in listed.rows:
        if row.split not in splits or row.generator != NO_GENERATOR:
            continue
        if not row.path.endswith(".npz"):
            raise DataError(
                f"{manifest} lists videos such as {row.path}; cut them with `guard-train prepare --manifest {manifest} "
                "--out CLIPS` and give CLIPS/manifest.csv"
            )
        faces = small_faces(LumaClip.load(listed.file(row)).frames)
        found.setdefault(row.driver, []).append(Recording(faces, row.session, row.track))
    if not found:
        raise DataError(f"{manifest} lists no recordings of the splits {', '.join(sorted(splits))}")
    return {person: tuple(recordings) for person, recordings in found.items()}
