"""What expression coefficients move: the vertices of ICT-FaceKit's face under MediaPipe's blendshapes, by name.

ICT-FaceKit (MIT) has ARKit's names; `Left` and `Right` become `_L` and `_R`, and what is not split by side in MediaPipe
moves both sides (seed_systems.md 4.2).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from training.errors import DataError
from training.generators.face_mesh.model import FaceModel

Floats = NDArray[np.float32]

_VERTEX_STEP = 8
"""Every eighth vertex tells the size of a movement as well as all of them, at an eighth of the time (our choice)."""


def blendshape_shifts(model: FaceModel, names: Sequence[str]) -> Floats:
    """Vertex shifts (len(names), V, 3), face units, of each blendshape at 1.

    Raises DataError for a name that the mesh lacks.
    """
    place = {name: row for row, name in enumerate(model.expression_names)}
    shifts = []
    for name in names:
        rows = [place[part] for part in mesh_names(name) if part in place]
        if not rows:
            raise DataError(f"the face mesh has no expression for {name!r}; take ICT-FaceKit's narrow face")
        shifts.append(model.expressions[rows].sum(axis=0))
    return np.stack(shifts)


def mesh_names(name: str) -> tuple[str, ...]:
    """What one MediaPipe score may be called in the mesh: itself, its side's half, or both halves."""
    for side, letter in (("Left", "_L"), ("Right", "_R")):
        if name.endswith(side):
            return (name, name.removesuffix(side) + letter)
    return (name, f"{name}_L", f"{name}_R")


def measured_shifts(shifts: Floats) -> Floats:
    """The same at the vertices by which movements are measured in training."""
    return shifts[:, ::_VERTEX_STEP]
