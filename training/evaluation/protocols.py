"""Which clips are compared: the published protocol, and the controls that show what it measures.

NVFAIR (Prashnani et al., ECCV 2024, Eq. 6; feat_diff.md 2.8): for each target, genuine = all pairs of its
self-reenactments, impostor = all pairs of a self-reenactment and the same target driven by somebody else; the area
under each target's ROC, then the plain mean over targets. Scores are cosines here, negative distances there: of
L2-normalised embeddings both rank pairs alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.errors import DataError
from training.metrics import Trials

_MOST_PAIRS = 200_000
"""Of each kind, where clips of different targets are compared: more pairs of the same people add no certainty."""


@dataclass(frozen=True, slots=True)
class ClipLabels:
    """What a manifest says of one clip.

    source: data set that the driving video comes from. original: recorded by a camera, not made by a generator.
    """

    driver: str
    target: str
    session: str
    generator: str
    source: str
    original: bool


@dataclass(frozen=True, slots=True)
class ClipTable:
    """Clips that can be compared; all (n,) but embeddings (n, D), float32, L2-normalised.

    driver and target count in one numbering of people, so a clip is a self-reenactment where they are equal. session
    counts over drivers: two clips of one session have one driver.
    """

    embeddings: NDArray[np.float32]
    driver: NDArray[np.int64]
    target: NDArray[np.int64]
    session: NDArray[np.int64]
    generator: NDArray[np.str_]
    source: NDArray[np.str_]
    original: NDArray[np.bool_]

    def subset(self, chosen: NDArray[np.bool_] | NDArray[np.int64]) -> ClipTable:
        return ClipTable(
            self.embeddings[chosen],
            self.driver[chosen],
            self.target[chosen],
            self.session[chosen],
            self.generator[chosen],
            self.source[chosen],
            self.original[chosen],
        )

    @property
    def is_self(self) -> NDArray[np.bool_]:
        same: NDArray[np.bool_] = self.driver == self.target
        return same


def clip_table(embeddings: NDArray[np.float32], labels: Sequence[ClipLabels]) -> ClipTable:
    """Number people and sessions. Raises DataError without clips."""
    if not labels:
        raise DataError("no clips to compare; the manifest is empty or holds none of this split")
    people = sorted({label.driver for label in labels} | {label.target for label in labels})
    sessions = sorted({(label.driver, label.session) for label in labels})
    person = {name: number for number, name in enumerate(people)}
    session = {name: number for number, name in enumerate(sessions)}
    return ClipTable(
        embeddings,
        np.array([person[label.driver] for label in labels], np.int64),
        np.array([person[label.target] for label in labels], np.int64),
        np.array([session[label.driver, label.session] for label in labels], np.int64),
        np.array([label.generator for label in labels]),
        np.array([label.source for label in labels]),
        np.array([label.original for label in labels], np.bool_),
    )


@dataclass(frozen=True, slots=True)
class Selection:
    """Switches of the published protocol; the defaults are what the published figures use.

    originals: camera clips take part as self-reenactments (trap 8). same_source_negatives: a negative's two clips come
    from one source data set (trap 6). same_session_positives: a positive may be one driving clip through two generators
    (trap 8). generator: only its clips; None = all.
    """

    originals: bool = True
    same_source_negatives: bool = False
    same_session_positives: bool = True
    generator: str | None = None


def published_trials(clips: ClipTable, selection: Selection | None = None) -> Trials:
    """Self-self against self-cross pairs of each target (NVFAIR Eq. 6).

    Targets need two self-reenactments and one clip driven by somebody else. Raises DataError where none has them.
    """
    selection = selection or Selection()
    kept = clips.original | True if selection.originals else ~clips.original
    if selection.generator is not None:
        kept = kept & (clips.generator == selection.generator)
    parts = []
    for target in np.unique(clips.target[kept]):
        shown = clips.subset(kept & (clips.target == target))
        own, others = shown.subset(shown.is_self), shown.subset(~shown.is_self)
        if len(own.driver) < 2 or len(others.driver) == 0:
            continue
        left, right = np.triu_indices(len(own.driver), 1)
        if not selection.same_session_positives:
            apart = own.session[left] != own.session[right]
            left, right = left[apart], right[apart]
        parts.append(_compared(own, left, own, right))
        left, right = (side.ravel() for side in np.indices((len(own.driver), len(others.driver))))
        if selection.same_source_negatives:
            same = own.source[left] == others.source[right]
            left, right = left[same], right[same]
        parts.append(_compared(own, left, others, right))
    return _all(parts, "a target with two self-reenactments and one clip driven by somebody else")


def cross_cross_trials(clips: ClipTable, *, same_target: bool) -> Trials:
    """Genuine = same driver, impostor = different drivers, all re-enacted across people (trap 9).

    Both clips of a pair come from one source data set and from different driving clips, and show one target or two;
    the same for both kinds, so that neither the marks of re-enactment nor the face tells them apart. Raises DataError
    where a kind is missing.
    """
    crossed = clips.subset(~clips.is_self & ~clips.original)
    left, right = np.triu_indices(len(crossed.driver), 1)
    wanted = (
        (crossed.source[left] == crossed.source[right])
        & (crossed.session[left] != crossed.session[right])
        & ((crossed.target[left] == crossed.target[right]) == same_target)
    )
    left, right = _thinned(crossed, left[wanted], right[wanted])
    faces = "one target" if same_target else "two targets"
    return _all([_compared(crossed, left, crossed, right)], f"cross-reenacted pairs on {faces} of each kind")


def session_trials(clips: ClipTable) -> Trials:
    """Every two clips from different sessions, whatever they show: appearance helps, so this proves no motion."""
    left, right = np.triu_indices(len(clips.driver), 1)
    apart = clips.session[left] != clips.session[right]
    left, right = _thinned(clips, left[apart], right[apart])
    return _all([_compared(clips, left, clips, right)], "drivers with two sessions")


def _thinned(
    clips: ClipTable, left: NDArray[np.int64], right: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """At most `_MOST_PAIRS` pairs of each kind, drawn once and for all."""
    genuine = clips.driver[left] == clips.driver[right]
    random = np.random.default_rng(0)
    chosen = []
    for kind in (genuine, ~genuine):
        places = np.flatnonzero(kind)
        if len(places) > _MOST_PAIRS:
            places = np.sort(random.choice(places, _MOST_PAIRS, replace=False))
        chosen.append(places)
    places = np.concatenate(chosen)
    return left[places], right[places]


def _compared(one: ClipTable, left: NDArray[np.int64], other: ClipTable, right: NDArray[np.int64]) -> Trials:
    scores = np.einsum("nd,nd->n", one.embeddings[left], other.embeddings[right], dtype=np.float64)
    same_target = one.target[left] == other.target[right]
    return Trials(scores, one.driver[left], other.driver[right], np.where(same_target, one.target[left], -1))


def _all(parts: Sequence[Trials], needed: str) -> Trials:
    """The parts as one. Raises DataError unless both kinds are there."""
    if parts:
        trials = parts[0]
        for part in parts[1:]:
            trials = trials.joined(part)
        if trials.genuine.any() and not trials.genuine.all():
            return trials
    raise DataError(f"needs {needed}; there are none")
