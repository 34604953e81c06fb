"""The one thing that every generator does, and the generators that there are.

A generator leaves its own artefacts in every picture. What is learnt about a driver has to survive a change of
generator, so batches mix them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from training.errors import DataError
from training.generators.face_mesh.model import load_face_model
from training.generators.face_mesh_torch import FaceMeshRenderer
from training.generators.mesh_warp_torch import MeshWarp
from training.generators.piecewise_affine_torch import PiecewiseAffineWarp
from training.generators.targets import TargetSet
from training.generators.thin_plate_torch import ThinPlateWarp
from training.generators.views import ClipViews


class Generator(Protocol):
    """Shows any of a set of targets with any motion, batched in torch on one device."""

    def render(self, target_index: Tensor, motion: Tensor, head: Tensor, views: ClipViews) -> Tensor:
        """Targets (B,) moved by landmark motion (B, T, 95, 2) and head motion (B, T, 4): luma (B, T, 128, 128), 0-255.

        A clip looks the same whatever else is in its batch.
        """

    def to(self, device: torch.device) -> Generator:
        """The same generator on another device."""


WARPS: Mapping[str, Callable[[TargetSet], Generator]] = {
    "mesh_warp": MeshWarp,
    "thin_plate": ThinPlateWarp,
    "piecewise_affine": PiecewiseAffineWarp,
}
FACE_MESH = "face_mesh"


def make_generator(name: str, targets: TargetSet, device: torch.device, face_mesh: Path | None = None) -> Generator:
    """A generator by its name, ready to show these targets.

    face_mesh: file of the 3-D face model, which "face_mesh" needs; it shows people of its own, as many as targets.
    Raises DataError for a name that nothing has and for a model that is missing or unreadable.
    """
    if name == FACE_MESH:
        if face_mesh is None:
            raise DataError(
                "the generator face_mesh needs the file of ICT-FaceKit's narrow face; name it (--face-mesh)"
            )
        return FaceMeshRenderer(load_face_model(face_mesh), range(len(targets))).to(device)
    if name not in WARPS:
        raise DataError(f"no generator is called {name!r}; there are {', '.join([*WARPS, FACE_MESH])}")
    return WARPS[name](targets).to(device)
