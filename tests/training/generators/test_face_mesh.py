"""The 3-D faces close eyes, open mouths, look about and do what they are asked, with ICT-FaceKit's mesh at hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from training.drivers.face_basis import CONTROL, control_basis, jaw_drop
from training.drivers.landmarks import LANDMARKS, PART, eye_apertures, mouth_opening
from training.drivers.procedural import ProceduralDriver
from training.generators.face_mesh.correspondence import SKIN_LANDMARKS, SKIN_VERTICES, mesh_landmarks
from training.generators.face_mesh.head import head_topology
from training.generators.face_mesh.model import FaceModel
from training.generators.face_mesh_torch import FaceMeshRenderer
from training.generators.mesh_warp_torch import ClipViews, usual_views

pytestmark = pytest.mark.shared_data

STILL = torch.tensor([0.0, 0.0, 1.0, 0.0])
PEOPLE = 3
EYES_PX, MOUTH_PX = (slice(52, 60), slice(38, 90)), (slice(80, 102), slice(56, 72))
EYE_COLUMNS = [*range(46, 56), *range(72, 82)]


@pytest.fixture(scope="module")
def heads(face_model: FaceModel) -> FaceMeshRenderer:
    return FaceMeshRenderer(face_model, range(PEOPLE))


def _shown(heads: FaceMeshRenderer, *motions: np.ndarray) -> Tensor:
    """All people under some landmark motions (95, 2) with still heads, (PEOPLE, motions, 128, 128)."""
    motion = torch.from_numpy(np.stack(motions)).float().expand(PEOPLE, -1, -1, -1)
    head = STILL.expand(PEOPLE, len(motions), 4)
    return heads.render(torch.arange(PEOPLE), motion, head, usual_views(PEOPLE))


def _controls(*names: str) -> np.ndarray:
    return np.asarray(sum(control_basis()[CONTROL[name]] for name in names))


REST = np.zeros((LANDMARKS, 2), np.float32)
BLINK = _controls("blink_right", "blink_left")


def test_the_neutral_mesh_has_a_plain_face(face_model: FaceModel) -> None:
    landmarks = mesh_landmarks(face_model.neutral)
    corners = landmarks[PART["corners_right"]][0], landmarks[PART["corners_left"]][0]
    np.testing.assert_allclose(corners, [(-0.5, 0), (0.5, 0)], atol=1e-3)
    assert 0.08 < eye_apertures(landmarks).min() < 0.12
    assert 0 <= mouth_opening(landmarks) < 0.02
    for part in ("upper_lip_outer", "lower_lip_inner", "mouth_corners"):
        mirrored = landmarks[PART[part]][::-1] * [-1, 1]
        np.testing.assert_allclose(landmarks[PART[part]], mirrored, atol=2e-3)


def test_every_part_of_the_head_shows_its_outside(face_model: FaceModel, heads: FaceMeshRenderer) -> None:
    """Wrong winding would draw the back of a part, or nothing: of what points out, most points to the viewer."""
    topology = head_topology(face_model)
    posed = heads.posed(torch.zeros(1, dtype=torch.int64), torch.zeros(1, LANDMARKS, 2), STILL[None])[0].numpy()
    corners = posed[topology.triangles]
    front = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])[:, 2]
    for part in ("face", "eye_right", "eye_left", "teeth_upper", "teeth_lower"):
        inside = topology.parts[part]
        own = (topology.triangles[:, 0] >= inside.start) & (topology.triangles[:, 0] < inside.stop)
        assert (front[own] > 0).mean() > 0.8, part


def test_no_motion_twice_is_the_same_picture(heads: FaceMeshRenderer) -> None:
    first, second = _shown(heads, REST, REST).unbind(dim=1)
    assert torch.equal(first, second)
    assert torch.equal(first, _shown(heads, REST)[:, 0])


def test_a_batch_is_its_members(heads: FaceMeshRenderer) -> None:
    motion = ProceduralDriver(2).motion(1, 6)
    landmarks, head = torch.from_numpy(motion.landmarks)[None, :5], torch.from_numpy(motion.head)[None, :5]
    together = heads.render(torch.tensor([2]), landmarks, head, usual_views(1))[0]
    alone = [heads.render(torch.tensor([2]), landmarks[:, [t]], head[:, [t]], usual_views(1))[0, 0] for t in range(5)]
    assert (together - torch.stack(alone)).abs().mean() < 0.01


def test_a_blink_hides_the_eyes_behind_skin(heads: FaceMeshRenderer) -> None:
    shown = _shown(heads, REST, 0.5 * BLINK, BLINK)[:, :, EYES_PX[0]][..., EYE_COLUMNS].flatten(2)
    contrast, darkest = shown.std(dim=2), shown.amin(dim=2)
    assert (contrast[:, 2] < 0.7 * contrast[:, 0]).all()
    assert (darkest[:, 2] > darkest[:, 0] + 10).all()
    assert (darkest[:, 1] <= darkest[:, 2]).all()


def test_eyes_of_all_faces_close_and_open_by_the_same_share(heads: FaceMeshRenderer) -> None:
    motion = torch.from_numpy(np.stack([REST, 0.5 * BLINK, BLINK])).float()
    for person in range(PEOPLE):
        posed = heads.posed(torch.full((3,), person), motion, STILL.expand(3, 4)).numpy()
        opened, half, shut = (eye_apertures(mesh_landmarks(frame)) for frame in posed)
        assert (np.abs(half / opened - 0.5) < 0.15).all()
        assert (np.abs(shut / opened) < 0.15).all()


def test_a_dropped_jaw_opens_a_dark_mouth(heads: FaceMeshRenderer) -> None:
    pictures = _shown(heads, *(drop * jaw_drop() for drop in (0.0, 0.1, 0.2, 0.3)))[:, :, *MOUTH_PX]
    dark = (pictures < 24).flatten(2).sum(dim=2)
    assert (dark.diff(dim=1) > 10).all()


def test_nothing_shines_through_an_open_mouth(heads: FaceMeshRenderer) -> None:
    """The bag behind the lips stays whole when the jaw pulls at it: no ray meets the neck or the room."""
    opened = _shown(heads, 0.3 * jaw_drop())[:, 0, 86:94, 61:67]
    assert opened.amax() < 30


def test_irises_go_where_the_eyes_look(heads: FaceMeshRenderer) -> None:
    left, right = _shown(heads, -_controls("gaze_x"), _controls("gaze_x"))[:, :, *EYES_PX].unbind(dim=1)
    columns = torch.arange(left.shape[-1])
    for eye in (slice(0, 26), slice(26, 52)):
        place = [
            ((picture.amax() - picture[..., eye]).clamp(min=0) ** 6 * columns[eye]).sum(dim=(1, 2))
            / ((picture.amax() - picture[..., eye]).clamp(min=0) ** 6).sum(dim=(1, 2))
            for picture in (left, right)
        ]
        assert (place[1] > place[0] + 0.5).all()


def test_landmarks_move_as_they_were_asked_to(heads: FaceMeshRenderer) -> None:
    motion = ProceduralDriver(4).motion(6, 10)
    asked = torch.from_numpy(motion.landmarks)
    count = len(asked)
    posed = heads.posed(torch.zeros(count, dtype=torch.int64), asked, STILL.expand(count, 4))
    moved = (posed[:, SKIN_VERTICES, :2] - posed[:, SKIN_VERTICES, :2].mean(dim=0)).numpy()
    wanted = (asked - asked.mean(dim=0))[:, SKIN_LANDMARKS].numpy()
    rows = {int(landmark): row for row, landmark in enumerate(SKIN_LANDMARKS)}
    for part in ("upper_lid_right", "upper_lid_left", "lower_lip_inner", "lower_lip_outer", "brow_left"):
        chosen = [rows[landmark] for landmark in range(LANDMARKS)[PART[part]]]
        correlation = np.corrcoef(moved[:, chosen, 1].mean(axis=1), wanted[:, chosen, 1].mean(axis=1))[0, 1]
        assert correlation > 0.9, part


def test_the_mouth_seen_in_the_picture_opens_in_time_with_the_driver(heads: FaceMeshRenderer) -> None:
    motion = ProceduralDriver(6).motion(4, 10)
    landmarks, count = torch.from_numpy(motion.landmarks)[None], len(motion)
    pictures = heads.render(torch.tensor([1]), landmarks, STILL.expand(1, count, 4), usual_views(1))[0]
    mouth = pictures[:, *MOUTH_PX]
    dark = (mouth.median() - mouth).clamp(min=0).sum(dim=(1, 2)).numpy()
    assert np.corrcoef(dark, mouth_opening(motion.landmarks))[0, 1] > 0.8


def test_a_rolled_head_turns_before_a_still_or_a_moving_room(heads: FaceMeshRenderer) -> None:
    head = torch.tensor([[[0.0, 0, 1, 0], [0.1, 0, 1, 0.2]]]).expand(2, -1, -1)
    views = usual_views(2)
    views = ClipViews(views.centre, views.side, torch.tensor([0.0, 1.0]), views.rest_opening)
    shown = heads.render(torch.tensor([0, 0]), torch.zeros(2, 2, LANDMARKS, 2), head, views)
    corner = (slice(0, 8), slice(0, 128))
    assert torch.equal(shown[0, 0][corner], shown[0, 1][corner])
    assert (shown[1, 0][corner] - shown[1, 1][corner]).abs().mean() > 0.5
    assert (shown[0, 0] - shown[0, 1]).abs().mean() > 3
