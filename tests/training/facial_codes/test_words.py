"""Words for templates: sides, both sides, gaze, more and less, and nothing where nothing moves."""

from __future__ import annotations

import numpy as np
import pytest

from training.facial_codes import blendshapes
from training.facial_codes.explanation import limits_of, sized_words
from training.facial_codes.words import STILL, token_words


def _template(**shift: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    row = np.zeros(len(blendshapes.MOVING))
    for name, value in shift.items():
        row[blendshapes.MOVING.index(name)] = value
    return row


@pytest.mark.parametrize(
    ("shift", "words"),
    [
        ({"browOuterUpLeft": 0.2}, "left outer brow rises"),
        ({"browOuterUpLeft": 0.2, "browOuterUpRight": 0.18}, "outer brows rise"),
        ({"browDownLeft": -0.2, "browDownRight": -0.2}, "brows unknit"),
        ({"eyeBlinkLeft": 0.5, "eyeBlinkRight": 0.1}, "left eye closes"),
        ({"eyeBlinkLeft": 0.3, "eyeBlinkRight": -0.3}, "left eye closes, right eye opens"),
        ({"eyeLookOutLeft": 0.2, "eyeLookInRight": 0.2}, "gaze moves left"),
        ({"eyeLookInLeft": 0.2, "eyeLookOutRight": 0.2}, "gaze moves right"),
        ({"mouthLeft": 0.1}, "mouth moves left"),
        ({"mouthLeft": -0.2}, "mouth moves right"),
        ({"jawOpen": 0.3, "mouthSmileLeft": 0.2, "mouthSmileRight": 0.2}, "jaw opens, mouth smiles"),
        ({"jawOpen": -0.3, "mouthPucker": 0.05}, "jaw closes"),
        ({"jawOpen": 0.01}, STILL),
    ],
)
def test_words(shift: dict[str, float], words: str) -> None:
    assert token_words(_template(**shift), blendshapes.MOVING) == words


def test_at_most_three_movements_are_named_the_strongest_first() -> None:
    template = _template(jawOpen=0.3, mouthPucker=0.25, browInnerUp=0.28, mouthFunnel=0.2, mouthClose=0.22)
    assert token_words(template, blendshapes.MOVING) == "jaw opens, inner brows rise, lips pucker"


def test_every_blendshape_has_words_for_more_and_for_less() -> None:
    for name in blendshapes.MOVING:
        more, less = (token_words(_template(**{name: value}), blendshapes.MOVING) for value in (0.5, -0.5))
        assert STILL not in (more, less)
        assert more != less


def test_words_are_short_enough_for_an_explanation() -> None:
    random = np.random.default_rng(0)
    for row in random.normal(0, 0.3, (200, len(blendshapes.MOVING))):
        assert len(sized_words(row, blendshapes.MOVING)) <= 120


def test_size_is_told_where_it_is_unusual() -> None:
    assert sized_words(_template(jawOpen=0.05), blendshapes.MOVING) == "jaw opens (slight)"
    assert sized_words(_template(jawOpen=0.15), blendshapes.MOVING) == "jaw opens"
    assert sized_words(_template(jawOpen=0.4), blendshapes.MOVING) == "jaw opens (strong)"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("gaze moves left", "read"),
        ("left eye closes", "light"),
        ("jaw opens", "said"),
        ("mouth smiles", "mood"),
        ("brows lower", "emphasis"),
    ],
)
def test_limits_fit_what_moves(words: str, said: str) -> None:
    assert said in limits_of(words)
