"""The morphable face: neutral vertices, expressions and identities of ICT-FaceKit's narrow face, in face units.

The file is the packing of ICT-FaceKit (MIT) as one npz: neutral (V, 3), tri (F, 3), exp (E, V, 3) with exp_names,
id (I, V, 3). Here x points to the image's right, y down, z to the viewer; the origin lies midway between the outer eye
corners, whose distance is 1. A triangle whose corners run from x to y (area > 0 in the picture) shows its outside.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from training.errors import DataError
from training.generators.face_mesh.correspondence import EYE_CORNERS, VERTICES_NEEDED

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class FaceModel:
    """neutral float32 (V, 3), triangles int64 (F, 3), expressions float32 (E, V, 3), identities float32 (I, V, 3)."""

    neutral: Floats
    triangles: NDArray[np.int64]
    expressions: Floats
    expression_names: tuple[str, ...]
    identities: Floats


def load_face_model(path: Path) -> FaceModel:
    """Raises DataError where the file is missing or is not the narrow face of ICT-FaceKit."""
    try:
        with path.open("rb") as file, np.load(file) as arrays:
            model = _in_face_units(
                arrays["neutral"].astype(np.float64),
                arrays["tri"].astype(np.int64),
                arrays["exp"].astype(np.float32),
                tuple(str(name) for name in arrays["exp_names"]),
                arrays["id"].astype(np.float32),
            )
    except (OSError, KeyError, ValueError, IndexError, EOFError, BadZipFile) as error:
        raise DataError(
            f"cannot read a face mesh from {path}: {error}; expected ICT-FaceKit's narrow face packed as npz"
        ) from error
    return model


def _in_face_units(
    neutral: NDArray[np.float64],
    triangles: NDArray[np.int64],
    expressions: Floats,
    names: tuple[str, ...],
    identities: Floats,
) -> FaceModel:
    vertices = len(neutral)
    if vertices != VERTICES_NEEDED or triangles.max() >= vertices or len(names) != len(expressions):
        raise ValueError(f"{vertices} vertices and {len(names)} expressions are not the mesh the landmarks belong to")
    right, left = neutral[list(EYE_CORNERS)]
    unit = float(left[0] - right[0])
    to_image = np.array([1, -1, 1]) / unit
    return FaceModel(
        ((neutral - (right + left) / 2) * to_image).astype(np.float32),
        triangles[:, [0, 2, 1]],
        expressions * to_image.astype(np.float32),
        names,
        identities * to_image.astype(np.float32),
    )


def identity_face(model: FaceModel, weights: NDArray[np.floating]) -> Floats:
    """Vertices (V, 3) of the face with identity weights (I,), brought back to its own eye corners."""
    face = model.neutral + np.tensordot(weights.astype(np.float32), model.identities, axes=1)
    right, left = face[list(EYE_CORNERS)]
    return np.asarray((face - (right + left) / 2) / (left[0] - right[0]), np.float32)
