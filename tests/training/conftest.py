"""Small material for training tests: procedural drivers on painted faces, no shared data."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from training.data.material import Extent, Material, load_material
from training.generators.face_mesh.model import FaceModel, load_face_model

torch.set_num_threads(1)


def pytest_runtest_setup() -> None:
    """A command that a test ran may have asked for more: on a shared machine two threads wait for each other."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def small_material() -> Material:
    """Four procedural drivers with two takes of 1.5 s each, on three puppets."""
    return load_material("train", Extent(seeds=4, takes=2, take_seconds=1.5, puppets=3), None, None)


@pytest.fixture(scope="session")
def face_model(shared_data: Path) -> FaceModel:
    """ICT-FaceKit's narrow face; the test is skipped where it is absent."""
    path = shared_data / "mesh" / "ict_facekit_narrow.npz"
    if not path.is_file():
        pytest.skip("the face mesh is not on this machine")
    return load_face_model(path)
