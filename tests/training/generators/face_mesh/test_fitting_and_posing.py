"""Motion that expressions can make is found again; turns, gazes and shading follow their formulas."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from training.drivers.face_basis import generic_face, jaw_drop
from training.drivers.head import turn
from training.drivers.landmarks import LANDMARKS
from training.errors import DataError
from training.generators.face_mesh.correspondence import (
    SKIN_LANDMARKS,
    SKIN_VERTICES,
    VERTICES_NEEDED,
    mesh_landmarks,
)
from training.generators.face_mesh.fitting import LEFT_OUT, TURN_LIMIT, MotionFit
from training.generators.face_mesh.model import FaceModel, load_face_model
from training.generators.face_mesh.posing import gaze_matrix, head_moved, head_stilled, turn_matrix
from training.generators.face_mesh.shading import Surface, shade, triangles_around, vertex_normals
from training.generators.fields import lid_gains

NAMES = ("one", "two", "three", LEFT_OUT[0])


@pytest.fixture(scope="module")
def model() -> FaceModel:
    """Loose points where the generic face has its landmarks, and expressions that move them at random."""
    rng = np.random.default_rng(0)
    neutral = np.zeros((VERTICES_NEEDED, 3), np.float32)
    neutral[SKIN_VERTICES, :2] = generic_face()[SKIN_LANDMARKS]
    neutral[SKIN_VERTICES, 2] = 0.3 * rng.random(len(SKIN_VERTICES))
    expressions = np.zeros((len(NAMES), VERTICES_NEEDED, 3), np.float32)
    expressions[:, SKIN_VERTICES] = 0.03 * rng.normal(size=(len(NAMES), len(SKIN_VERTICES), 3))
    nothing = np.zeros((1, VERTICES_NEEDED, 3), np.float32)
    return FaceModel(neutral, np.array([[0, 1, 2]]), expressions, NAMES, nothing)


def _motion(model: FaceModel, coefficients: np.ndarray) -> torch.Tensor:
    """Landmark motion (1, 95, 2), written for standard eyes, that a face with these coefficients makes."""
    moved = mesh_landmarks(model.neutral + np.tensordot(coefficients, model.expressions, axes=1))
    still = mesh_landmarks(model.neutral)
    return torch.from_numpy(((moved - still) / lid_gains(still))[None]).float()


def test_coefficients_that_made_a_motion_are_found_again(model: FaceModel) -> None:
    asked = np.array([0.2, 0.0, 0.9, 0.0])
    coefficients, turned = MotionFit(model)(_motion(model, asked))
    np.testing.assert_allclose(coefficients[0], asked, atol=0.01)
    np.testing.assert_allclose(turned[0], 0, atol=0.01)


def test_coefficients_stay_within_their_bounds(model: FaceModel) -> None:
    coefficients, turned = MotionFit(model)(_motion(model, np.array([-1.0, 2.0, 0.0, 0.8])))
    assert coefficients[0, 0] == 0
    assert coefficients[0, 1] == pytest.approx(1)
    assert coefficients[0, 3] == 0
    assert turned.abs().max() <= TURN_LIMIT


def test_lips_asked_to_cross_are_only_pressed(model: FaceModel) -> None:
    """Asked to cross by 0.04 or by 0.2 face units, they do the same."""
    shut = torch.from_numpy(jaw_drop())[None]
    fit = MotionFit(model)
    for far, near in zip(fit(-0.2 * shut), fit(-0.04 * shut), strict=True):
        np.testing.assert_allclose(far, near, atol=1e-5)
    assert not torch.equal(fit(-0.04 * shut)[0], fit(-0.02 * shut)[0])


def test_no_motion_asks_for_nothing(model: FaceModel) -> None:
    coefficients, turned = MotionFit(model)(torch.zeros(2, LANDMARKS, 2))
    assert not coefficients.any()
    assert not turned.any()


def test_a_head_turns_as_the_drivers_head_does() -> None:
    """The matrix and the drivers' orthographic turn agree to second order, the eye corners' middle staying put."""
    yaw, pitch = 0.1, -0.06
    front = np.linspace(-0.3, 0.6, 7)
    points = np.stack([np.zeros(7), np.zeros(7), front], axis=1)
    turned = torch.from_numpy(points).float() @ turn_matrix(torch.tensor([[yaw, pitch]]))[0].T
    np.testing.assert_allclose(turned[:, 0], front * np.tan(yaw), atol=1e-6)
    np.testing.assert_allclose(turned[:, 1], front * np.sin(pitch), atol=1e-6)
    seen, _ = turn(generic_face()[None], np.array([[0, 0, 0, 0, yaw, pitch]]))
    nose = seen[0] - generic_face()
    tip = np.abs(generic_face() - [0, 0.38]).sum(axis=1).argmin()
    assert nose[tip, 0] > 0
    assert turned[-1, 0] > 0
    assert nose[tip, 1] < 0
    assert turned[-1, 1] < 0


def test_an_eye_looks_where_it_is_told() -> None:
    towards = torch.tensor([[0.2, -0.3], [0.0, 0.0]])
    matrix = gaze_matrix(towards)
    np.testing.assert_allclose(matrix[:, :2, 2], towards, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(matrix @ matrix.mT, torch.eye(3).expand(2, 3, 3), rtol=1e-5, atol=1e-5)
    assert gaze_matrix(torch.tensor([[9.0, 0.0]]))[0, 0, 2] == pytest.approx(0.6)


def test_a_head_moved_back_is_where_it_was() -> None:
    points = torch.rand(2, 5, 3, generator=torch.Generator().manual_seed(1))
    head = torch.tensor([[0.1, -0.2, 1.2, 0.3], [0.0, 0.0, 1.0, 0.0]])
    moved = head_moved(points, head)
    np.testing.assert_allclose(head_stilled(moved[..., :2], head), points[..., :2], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(moved[1], points[1], rtol=1e-5, atol=1e-5)


def test_light_from_the_front_shows_a_flat_plate_in_its_own_albedo() -> None:
    """Facing the light, ambient 0.4 (three quarters of it from the front) and 0.6 of direct light."""
    points = torch.tensor([[[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]]])
    triangles = np.array([[0, 1, 2], [0, 2, 3]])
    around, begins = (torch.from_numpy(part) for part in triangles_around(triangles, 4))
    normals = vertex_normals(points, torch.from_numpy(triangles), around, begins)
    np.testing.assert_allclose(normals, torch.tensor([0.0, 0, 1]).expand(1, 4, 3), rtol=1e-5, atol=1e-5)
    surface = Surface(torch.full((1, 4), 0.5), torch.zeros(1, 4), torch.ones(1, 4))
    luma = shade(normals, surface, torch.tensor([[0.0, 0, 1]]), torch.tensor([0.4]))
    np.testing.assert_allclose(luma, torch.full((1, 4), 255 * 0.5 * (0.4 * 0.75 + 0.6)), rtol=1e-5, atol=1e-5)


def test_a_missing_or_foreign_mesh_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot read a face mesh from .*nowhere\.npz"):
        load_face_model(tmp_path / "nowhere.npz")
    arrays = {"neutral": np.zeros((3, 3)), "tri": np.array([[0, 1, 2]]), "exp": np.zeros((1, 3, 3)), "exp_names": ["a"]}
    np.savez(tmp_path / "small.npz", id=np.zeros((1, 3, 3)), **arrays)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="not the mesh the landmarks belong to"):
        load_face_model(tmp_path / "small.npz")
