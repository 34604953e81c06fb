"""What a token looks like, in plain English, from the blendshapes that its template moves most.

Words are for people who judge a call, not for anatomists. Left and right are the person's own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

_SIDED: dict[str, tuple[str, str, str, str]] = {
    "browDown": ("brow lowers", "brows lower", "brow unknits", "brows unknit"),
    "browOuterUp": ("outer brow rises", "outer brows rise", "outer brow sinks", "outer brows sink"),
    "cheekSquint": ("cheek rises", "cheeks rise", "cheek sinks", "cheeks sink"),
    "eyeBlink": ("eye closes", "eyes close", "eye opens", "eyes open"),
    "eyeLookDown": ("eye looks down", "eyes look down", "eye looks less down", "eyes look less down"),
    "eyeLookUp": ("eye looks up", "eyes look up", "eye looks less up", "eyes look less up"),
    "eyeSquint": ("eye narrows", "eyes narrow", "eye stops narrowing", "eyes stop narrowing"),
    "eyeWide": ("eye widens", "eyes widen", "eye stops widening", "eyes stop widening"),
    "mouthDimple": ("dimple deepens", "dimples deepen", "dimple fades", "dimples fade"),
    "mouthFrown": ("mouth corner sinks", "mouth corners sink", "mouth corner lifts", "mouth corners lift"),
    "mouthLowerDown": ("lower lip drops", "lower lip drops", "lower lip rises", "lower lip rises"),
    "mouthPress": ("lips press", "lips press", "lips stop pressing", "lips stop pressing"),
    "mouthSmile": ("mouth corner smiles", "mouth smiles", "smile fades", "smile fades"),
    "mouthStretch": ("mouth corner stretches", "mouth stretches", "mouth corner slackens", "mouth slackens"),
    "mouthUpperUp": ("upper lip rises", "upper lip rises", "upper lip sinks", "upper lip sinks"),
    "noseSneer": ("nostril sneers", "nose sneers", "nostril relaxes", "nose relaxes"),
}
"""Of blendshapes with a left and a right: more of it on one side, on both; less of it on one side, on both."""
_WHOLE: dict[str, tuple[str, str]] = {
    "browInnerUp": ("inner brows rise", "inner brows sink"),
    "cheekPuff": ("cheeks puff out", "cheeks relax"),
    "jawForward": ("jaw moves forward", "jaw moves back"),
    "jawOpen": ("jaw opens", "jaw closes"),
    "mouthClose": ("lips close over the jaw", "lips part"),
    "mouthFunnel": ("lips form a funnel", "lips leave a funnel"),
    "mouthPucker": ("lips pucker", "lips stop puckering"),
    "mouthRollLower": ("lower lip rolls in", "lower lip rolls out"),
    "mouthRollUpper": ("upper lip rolls in", "upper lip rolls out"),
    "mouthShrugLower": ("lower lip pushes up", "lower lip relaxes"),
    "mouthShrugUpper": ("upper lip pushes up", "upper lip relaxes"),
}
"""Of the others: more, and less."""
_TURNS = {
    "gaze moves": (("eyeLookOutLeft", "eyeLookInRight"), ("eyeLookInLeft", "eyeLookOutRight")),
    "jaw moves": (("jawLeft",), ("jawRight",)),
    "mouth moves": (("mouthLeft",), ("mouthRight",)),
}
"""What goes to a side as a whole: blendshapes that turn it left, and right; both eyes together are a gaze."""

_MOST_PARTS = 3
_SHARE = 0.4
"""A movement is named where it is at least this share of the template's largest."""
_ALIKE = 0.5
"""Both sides do one thing where the weaker does at least this share of what the stronger does."""
STILL = "hardly any movement"
_STILL_SHIFT = 0.02
"""Change of a score, 0-1, below which nothing is seen."""


def token_words(template: NDArray[np.floating], names: Sequence[str]) -> str:
    """Words for a template (C,), in units of the scores `names`: up to three movements, the strongest first."""
    shift = {name: float(value) for name, value in zip(names, template, strict=True)}
    parts = sorted([*_turns(shift), *_sides(shift), *_wholes(shift)], key=lambda part: -part[0])
    if not parts or parts[0][0] < _STILL_SHIFT:
        return STILL
    return ", ".join(words for size, words in parts[:_MOST_PARTS] if size >= _SHARE * parts[0][0])


def _turns(shift: Mapping[str, float]) -> Iterator[tuple[float, str]]:
    for words, (to_left, to_right) in _TURNS.items():
        value = sum(shift.get(name, 0.0) for name in to_left) - sum(shift.get(name, 0.0) for name in to_right)
        yield abs(value) / len(to_left), f"{words} {'left' if value > 0 else 'right'}"


def _sides(shift: Mapping[str, float]) -> Iterator[tuple[float, str]]:
    for name, (one_more, both_more, one_less, both_less) in _SIDED.items():
        left, right = shift.get(f"{name}Left", 0.0), shift.get(f"{name}Right", 0.0)
        size = max(abs(left), abs(right))
        if left * right > 0 and min(abs(left), abs(right)) >= _ALIKE * size:
            yield size, both_more if left > 0 else both_less
            continue
        for side, value in (("left", left), ("right", right)):
            yield abs(value), f"{side} {one_more if value > 0 else one_less}"


def _wholes(shift: Mapping[str, float]) -> Iterator[tuple[float, str]]:
    for name, (more, less) in _WHOLE.items():
        value = shift.get(name, 0.0)
        yield abs(value), more if value > 0 else less
