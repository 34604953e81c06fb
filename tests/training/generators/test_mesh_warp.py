"""The warp shows the target at rest, closes eyes, opens mouths; numpy and torch agree."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from training.drivers.face_basis import CONTROL, control_basis, jaw_drop
from training.drivers.landmarks import LANDMARKS, PART, mouth_opening
from training.drivers.procedural import ProceduralDriver
from training.errors import DataError
from training.generators.fields import displacement_operator, field_points, lid_gains
from training.generators.mesh_warp import FaceWarp
from training.generators.mesh_warp_torch import ClipViews, MeshWarp, random_views, usual_views
from training.generators.targets import CANONICAL_VIEW, TargetSet, crop_view, frame_target
from training.puppets.puppet import puppet_targets

REST = np.zeros((LANDMARKS, 2), np.float32)
STILL = np.array([0, 0, 1, 0], np.float32)


@pytest.fixture(scope="module")
def targets() -> TargetSet:
    torch.set_num_threads(1)
    return puppet_targets([1, 4])


@pytest.fixture(scope="module")
def warp(targets: TargetSet) -> MeshWarp:
    return MeshWarp(targets)


@pytest.fixture(scope="module")
def portrait(targets: TargetSet) -> FaceWarp:
    return FaceWarp(targets.images[0], targets.landmarks[0], CANONICAL_VIEW, CANONICAL_VIEW)


def test_no_motion_is_the_portrait(targets: TargetSet, portrait: FaceWarp) -> None:
    """Everywhere but on the very edges of lids and lips, behind which a ball and teeth were put."""
    error = np.abs(portrait.render(REST, STILL).astype(int) - targets.images[0])
    assert np.quantile(error, 0.995) <= 1
    assert error.mean() < 0.1


def test_torch_and_numpy_show_the_same(targets: TargetSet, warp: MeshWarp) -> None:
    motion = ProceduralDriver(9).motion(6, 5)
    landmarks, head = torch.from_numpy(motion.landmarks)[None], torch.from_numpy(motion.head)[None]
    views = ClipViews(torch.tensor([[0.05, 0.2]]), torch.tensor([3.1]), torch.tensor([0.0]), torch.tensor([0.0]))
    clips = warp.render(torch.tensor([1]), landmarks, head, views)[0].numpy()
    twin = FaceWarp(targets.images[1], targets.landmarks[1], CANONICAL_VIEW, crop_view((0.05, 0.2), 3.1))
    pictures = np.stack([twin.render(*frame) for frame in zip(motion.landmarks, motion.head, strict=True)])
    error = np.abs(clips - pictures)
    assert error.mean() < 0.6
    assert np.quantile(error, 0.999) < 4


def _eye_pixels(picture: np.ndarray, targets: TargetSet) -> np.ndarray:
    centre = np.round(CANONICAL_VIEW.points_px(targets.landmarks[0][PART["iris_right"]][0])).astype(int)
    return picture[centre[1] - 1 : centre[1] + 2, centre[0] - 2 : centre[0] + 3].astype(float)


def test_a_blink_covers_the_iris_with_skin(targets: TargetSet, portrait: FaceWarp) -> None:
    basis = control_basis()
    blink = basis[CONTROL["blink_right"]] + basis[CONTROL["blink_left"]]
    opened, shut = (_eye_pixels(portrait.render(motion, STILL), targets) for motion in (REST, blink))
    lid = portrait.render(REST, STILL)
    above = np.round(CANONICAL_VIEW.points_px(targets.landmarks[0][PART["upper_lid_right"]][2] - [0, 0.06])).astype(int)
    skin = float(lid[above[1], above[0]])
    assert abs(np.median(shut) - skin) < abs(np.median(opened) - skin)
    assert np.median(shut) > np.median(opened) + 15


def test_half_a_blink_leaves_half_the_eye(targets: TargetSet, portrait: FaceWarp) -> None:
    basis = control_basis()
    blink = basis[CONTROL["blink_right"]] + basis[CONTROL["blink_left"]]
    dark = [float(_eye_pixels(portrait.render(part * blink, STILL), targets).mean()) for part in (0.0, 0.5, 1.0)]
    assert dark[0] < dark[2]
    assert dark[0] - 12 <= dark[1] <= dark[2] + 5


def test_an_open_mouth_shows_teeth_and_dark_between_the_lips(targets: TargetSet, portrait: FaceWarp) -> None:
    shown = portrait.render(0.3 * jaw_drop(), STILL)
    mouth = targets.landmarks[0][PART["mouth_corners"]].mean(axis=0)
    at = np.round(CANONICAL_VIEW.points_px(mouth + np.array([0, 0.15]))).astype(int)
    rest = portrait.render(REST, STILL)
    assert shown[at[1] - 1 : at[1] + 2, at[0] - 2 : at[0] + 3].mean() < 0.65 * rest[at[1], at[0]]


def test_the_jaw_opens_the_lips_by_what_is_asked() -> None:
    assert mouth_opening(jaw_drop()) == pytest.approx(1.0, abs=1e-5)


def test_the_fields_pass_close_by_the_landmarks(targets: TargetSet) -> None:
    motion = control_basis()[CONTROL["smile_left"]]
    upper = displacement_operator(targets.landmarks[0])[0] @ motion
    brow = targets.landmarks[0][PART["mouth_corners"]][3]
    nearest = np.argmin(np.linalg.norm(field_points() - brow, axis=1))
    np.testing.assert_allclose(upper[nearest], motion[PART["mouth_corners"]][3], atol=0.02)
    far = np.argmin(np.linalg.norm(field_points() - [-1.9, -1.5], axis=1))
    assert np.abs(upper[far]).max() < 0.002


def test_lids_travel_as_far_as_the_eye_is_open() -> None:
    from training.drivers.face_basis import generic_face

    assert lid_gains(generic_face())[PART["upper_lid_left"], 1] == pytest.approx(1.0, abs=0.05)


def test_a_still_background_stays_while_the_head_moves(warp: MeshWarp) -> None:
    head = torch.tensor([[[0.0, 0, 1, 0], [0.25, 0.0, 1.0, 0.05]]])
    motion = torch.zeros(1, 2, LANDMARKS, 2)
    wide = ClipViews(torch.tensor([[0.0, 0.3]]), torch.tensor([4.8]), torch.zeros(1), torch.zeros(1))
    still = warp.render(torch.tensor([0]), motion, head, wide)[0]
    change = (still[1] - still[0]).abs()
    assert change[:, :3].max() < 0.5
    assert change[:, -3:].max() < 0.5
    assert change[40:90, 40:90].mean() > 2
    wide = ClipViews(wide.centre, wide.side, torch.ones(1), torch.zeros(1))
    moving = warp.render(torch.tensor([0]), motion, head, wide)[0]
    assert (moving[1] - moving[0])[:, :20].abs().mean() > change[:, :20].mean()


@settings(max_examples=15, deadline=None)
@given(
    st.tuples(st.floats(-2, 2), st.floats(-2, 2), st.floats(0.7, 1.4), st.floats(-0.5, 0.5)),
    st.floats(0, 3),
)
def test_no_motion_however_wild_gives_anything_but_a_picture(
    portrait: FaceWarp, head: tuple[float, float, float, float], gain: float
) -> None:
    motion = gain * ProceduralDriver(2).motion(0.1, 30).landmarks[0]
    shown = portrait.render(motion.astype(np.float32), np.array(head, np.float32))
    assert shown.shape == (224, 224)
    assert shown.std() > 5


def test_views_repeat_with_their_generator() -> None:
    one, other = (random_views(4, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(one.centre, other.centre)
    assert torch.equal(one.side, other.side)
    assert set(one.background.tolist()) <= {0.0, 1.0}
    assert usual_views(2).centre.shape == (2, 2)


def test_targets_come_back_from_disk(targets: TargetSet, tmp_path: Path) -> None:
    targets.save(tmp_path / "deep" / "targets.npz")
    loaded = TargetSet.load(tmp_path / "deep" / "targets.npz")
    np.testing.assert_array_equal(loaded.images, targets.images)
    assert loaded.names == ("puppet_1", "puppet_4")
    assert loaded.joined(targets.subset([1])).names == ("puppet_1", "puppet_4", "puppet_4")
    (tmp_path / "broken.npz").write_bytes(b"PK\x03\x04 no archive")
    with pytest.raises((DataError,), match="cannot read targets"):
        TargetSet.load(tmp_path / "broken.npz")


def test_framing_turns_a_rolled_face_upright(targets: TargetSet) -> None:
    rng = np.random.default_rng(0)
    shape = targets.landmarks[0].astype(float)
    turn = np.array([[np.cos(0.3), np.sin(0.3)], [-np.sin(0.3), np.cos(0.3)]])
    pixels = shape @ turn * 60 + [200, 150]
    picture = np.zeros((400, 400), np.uint8)
    marks = rng.integers(0, LANDMARKS, 1)
    for x, y in np.round(pixels[marks]).astype(int):
        picture[y - 2 : y + 3, x - 2 : x + 3] = 255
    framed, landmarks = frame_target(picture, pixels)
    np.testing.assert_allclose(landmarks, shape, atol=1e-4)
    found = np.argwhere(framed > 60).mean(axis=0)[::-1]
    np.testing.assert_allclose(found, CANONICAL_VIEW.points_px(shape[marks])[0], atol=1.0)
