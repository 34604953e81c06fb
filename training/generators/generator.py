"""The one thing that every generator does, and the generators that there are.

A generator leaves its own artefacts in every picture. What is learnt about a driver has to survive a change of
generator, so batches mix them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import torch
from torch import Tensor

from training.errors import DataError
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


GENERATORS: Mapping[str, Callable[[TargetSet], Generator]] = {
    "mesh_warp": MeshWarp,
    "thin_plate": ThinPlateWarp,
    "piecewise_affine": PiecewiseAffineWarp,
}


def make_generator(name: str, targets: TargetSet, device: torch.device) -> Generator:
    """A generator by its name, ready to show these targets. Raises DataError for a name that nothing has."""
    if name not in GENERATORS:
        raise DataError(f"no generator is called {name!r}; there are {', '.join(GENERATORS)}")
    return GENERATORS[name](targets).to(device)
