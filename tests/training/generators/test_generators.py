"""Every generator shows the portrait at rest, closes eyes, opens mouths, and moves landmarks where they are told."""

from __future__ import annotations

from itertools import combinations

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates
from torch import Tensor

from training.drivers.face_basis import CONTROL, control_basis, jaw_drop
from training.drivers.landmarks import LANDMARKS, PART
from training.drivers.procedural import ProceduralDriver
from training.errors import DataError
from training.generators.generator import WARPS, Generator, make_generator
from training.generators.targets import CANONICAL_VIEW, TARGET_SIZE_PX, TargetSet, crop_view
from training.generators.views import random_views, usual_views
from training.puppets.puppet import puppet_targets

CPU = torch.device("cpu")
VIEW = crop_view((0.0, 0.21), 3.2)
REST = np.zeros((LANDMARKS, 2), np.float32)
STILL = (0.0, 0.0, 1.0, 0.0)
BASIS = control_basis()
BLINK = BASIS[CONTROL["blink_right"]] + BASIS[CONTROL["blink_left"]]
SMILE = BASIS[CONTROL["smile_right"]] + BASIS[CONTROL["smile_left"]]


@pytest.fixture(scope="module")
def targets() -> TargetSet:
    torch.set_num_threads(1)
    return puppet_targets([1, 4])


@pytest.fixture(scope="module")
def made(targets: TargetSet) -> dict[str, Generator]:
    return {name: make_generator(name, targets, CPU) for name in WARPS}


@pytest.fixture(params=WARPS)
def generator(made: dict[str, Generator], request: pytest.FixtureRequest) -> Generator:
    return made[request.param]


def shown(
    generator: Generator, *motions: NDArray[np.floating], head: tuple[float, ...] = STILL, target: int = 0
) -> NDArray[np.float32]:
    """One picture for each motion (95, 2)."""
    motion = torch.from_numpy(np.stack(motions).astype(np.float32))[None]
    heads = torch.tensor(head).expand(1, len(motions), 4)
    pictures: NDArray[np.float32] = generator.render(torch.tensor([target]), motion, heads, usual_views(1))[0].numpy()
    return pictures


def test_no_motion_is_the_portrait(generator: Generator, targets: TargetSet) -> None:
    x, y = np.moveaxis(CANONICAL_VIEW.points_px(VIEW.grid()), -1, 0)
    portrait = map_coordinates(targets.images[0].astype(np.float32), [y, x], order=1, mode="nearest")
    error = np.abs(shown(generator, REST)[0] - portrait)
    assert np.quantile(error, 0.99) < 1
    assert error.mean() < 0.1


@pytest.mark.parametrize("name", WARPS)
def test_lids_close_over_the_eyes(name: str, targets: TargetSet) -> None:
    """Of white irises in a gray face a blink leaves nothing, and half a blink a part."""
    face = np.full((1, TARGET_SIZE_PX, TARGET_SIZE_PX), 100, np.uint8)
    for side in ("right", "left"):
        x, y = np.round(CANONICAL_VIEW.points_px(targets.landmarks[0][PART[f"iris_{side}"]][0]) * 16).astype(int)
        cv2.circle(face[0], (int(x), int(y)), 2 * 16, 255, -1, cv2.LINE_AA, 4)
    generator = make_generator(name, TargetSet(face, targets.landmarks[:1], ("white eyes",)), CPU)
    eyes = VIEW.grid()[..., 1] < 0.3
    opened, half, shut = ((picture[eyes] - 100).sum() for picture in shown(generator, REST, 0.5 * BLINK, BLINK))
    assert 0.2 * opened < half < 0.9 * opened
    assert shut < 0.1 * opened


def test_an_open_mouth_shows_teeth_above_the_dark(generator: Generator, targets: TargetSet) -> None:
    lip = targets.landmarks[0][PART["upper_lip_inner"]][2]
    x, top = np.round(VIEW.points_px(lip)).astype(int)
    rest, wide = shown(generator, REST, 0.3 * jaw_drop())
    column = wide[top : top + 12, x - 1 : x + 2].mean(axis=1)
    assert column.min() < 0.5 * rest[top : top + 12, x].mean()
    assert column[:4].max() > 2 * column.min()
    assert column[:4].argmax() < column.argmin()


def test_landmarks_go_where_they_are_told(targets: TargetSet) -> None:
    """A white dot on a landmark of an otherwise black target is found where motion and head put that landmark."""
    motion, head = SMILE + 0.15 * jaw_drop(), (0.06, -0.04, 1.06, 0.07)
    turn = np.array([[np.cos(head[3]), np.sin(head[3])], [-np.sin(head[3]), np.cos(head[3])]])
    for index in (PART["brow_right"].start + 2, PART["nose"].start + 3, PART["cheeks"].start, PART["oval"].start + 7):
        place = targets.landmarks[0][index]
        dot = np.zeros((1, TARGET_SIZE_PX, TARGET_SIZE_PX), np.uint8)
        x, y = np.round(CANONICAL_VIEW.points_px(place) * 16).astype(int)
        cv2.circle(dot[0], (int(x), int(y)), 3 * 16, 255, -1, cv2.LINE_AA, 4)
        black = TargetSet(dot, targets.landmarks[:1], ("dot",))
        moved = (place + motion[index]) @ turn * head[2] + 0.5 * np.tanh(np.array(head[:2]) / 0.5)
        for name in WARPS:
            picture = shown(make_generator(name, black, CPU), motion, head=head)[0]
            picture = np.clip(picture - 120, 0, None)  # painted teeth are dark in a black picture, but not black
            rows, columns = np.mgrid[:128, :128]
            found = np.array([(columns * picture).sum(), (rows * picture).sum()]) / picture.sum()
            np.testing.assert_allclose(found, VIEW.points_px(moved), atol=0.7, err_msg=f"{name}, landmark {index}")


def test_generators_differ_in_their_artefacts(made: dict[str, Generator]) -> None:
    pictures = {name: shown(generator, SMILE + 0.2 * jaw_drop())[0] for name, generator in made.items()}
    for one, other in combinations(pictures, 2):
        assert np.abs(pictures[one] - pictures[other]).mean() > 0.5


def clips(count: int, frames: int) -> tuple[Tensor, Tensor]:
    motions = [ProceduralDriver(seed).motion(1, 30).window(0, frames) for seed in range(count)]
    landmarks = torch.from_numpy(np.stack([motion.landmarks for motion in motions]))
    return landmarks, torch.from_numpy(np.stack([motion.head for motion in motions]))


def test_a_clip_looks_the_same_alone_and_in_a_batch(generator: Generator) -> None:
    landmarks, head = clips(3, 4)
    target, views = torch.tensor([0, 1, 0]), random_views(3, torch.Generator().manual_seed(5))
    together = generator.render(target, landmarks, head, views)
    for row in range(3):
        one = torch.tensor([row])
        alone = generator.render(target[one], landmarks[one], head[one], views.of(one))
        torch.testing.assert_close(alone, together[one], rtol=0, atol=0.02)


@pytest.mark.parametrize("gain", [3.0, 8.0])
def test_no_motion_however_wild_gives_anything_but_a_picture(generator: Generator, gain: float) -> None:
    landmarks, _ = clips(1, 2)
    head = torch.tensor([[[-2.0, 2.0, 0.7, 0.5], [2.0, -2.0, 1.4, -0.5]]])
    pictures = generator.render(torch.tensor([1]), gain * landmarks, head, usual_views(1))
    assert bool(((pictures >= 0) & (pictures <= 255)).all())
    assert float(pictures.std()) > 5


def test_unknown_generators_are_refused(targets: TargetSet) -> None:
    with pytest.raises(DataError, match="'gan'; there are mesh_warp, thin_plate"):
        make_generator("gan", targets, CPU)
