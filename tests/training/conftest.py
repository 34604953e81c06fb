"""Small material for training tests: procedural drivers on painted faces, no shared data."""

from __future__ import annotations

import pytest
import torch

from training.data.material import Extent, Material, load_material

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def small_material() -> Material:
    """Four procedural drivers with two takes of 1.5 s each, on three puppets."""
    return load_material("train", Extent(seeds=4, takes=2, take_seconds=1.5, puppets=3), None, None)
