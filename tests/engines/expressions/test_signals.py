"""The signals see the face and not where it is, how large, or how it is tilted."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from engines.expressions.signals import MEDIAPIPE_OF_68, SIGNAL_NAMES, landmark_signals

RNG = np.random.default_rng(7)
FACE = RNG.uniform(-1, 1, (478, 2))
FACE[33], FACE[263] = (-0.5, 0), (0.5, 0)


def reference(points: NDArray[np.float64]) -> list[float]:
    """The list of seed_systems.md 6.1, as it is written there, on points that are upright already."""
    x, y = points[MEDIAPIPE_OF_68].T

    def dy(a: int, b: int) -> float:
        return float(y[b] - y[a])

    def dx(a: int, b: int) -> float:
        return float(x[b] - x[a])

    brows = [dy(19, 37), dy(24, 44), dy(21, 39), dy(22, 42), dx(21, 22)]
    eyes = [dy(37, 41) + dy(38, 40), dy(43, 47) + dy(44, 46)]
    mouth = [dx(48, 54), dy(51, 57), dy(62, 66), dy(33, 51), dy(57, 8), float(y[48] - y[51]), float(y[54] - y[51])]
    return [*brows, *eyes, *mouth, dy(31, 48), dy(35, 54), dx(31, 35)]


def test_these_are_the_signals_of_the_reference() -> None:
    np.testing.assert_allclose(landmark_signals(FACE[None])[0], reference(FACE), atol=1e-6)
    assert len(SIGNAL_NAMES) == 17


@given(
    place=st.tuples(st.floats(-2000, 2000), st.floats(-2000, 2000)),
    size=st.floats(5, 800),
    roll=st.floats(-math.pi, math.pi),
)
def test_place_size_and_roll_change_nothing(place: tuple[float, float], size: float, roll: float) -> None:
    turn = np.array([[math.cos(roll), math.sin(roll)], [-math.sin(roll), math.cos(roll)]])
    seen = size * FACE @ turn + place
    np.testing.assert_allclose(landmark_signals(seen[None]), landmark_signals(FACE[None]), atol=1e-5)


def test_every_point_of_the_mask_is_another() -> None:
    assert MEDIAPIPE_OF_68.shape == (68,)
    assert len(set(MEDIAPIPE_OF_68.tolist())) == 68
    assert MEDIAPIPE_OF_68.max() < 468  # none of the irises, which a mask of 68 points has not


def test_eyes_in_one_place_are_no_face() -> None:
    points = np.stack([FACE, np.zeros((478, 2)), FACE])
    found = np.isfinite(landmark_signals(points)).all(axis=1)
    assert found.tolist() == [True, False, True]


def test_no_rows_give_no_rows() -> None:
    assert landmark_signals(np.empty((0, 478, 2))).shape == (0, 17)
