"""The two questions that are asked of a system: which of these people is it, and is it who was enrolled?

Both as the reference figures were taken (seed_systems.md 6.1): the last recording of each person is the probe.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engines.comparison import mean_embedding
from training.errors import DataError
from training.expression_dynamics.recordings import Recording, by_person
from training.expression_dynamics.windows import Windows, cut_all
from training.metrics import Trials

_ALL_AT_ONCE, _HELD_OUT = 3, 2
"""Recordings that somebody needs to be one of the people to recognise, or one of those to verify."""


@dataclass(frozen=True, slots=True)
class Split:
    """What a system learns from and what it is asked.

    train: recordings of each person of training. enrol, probe: windows of the people who are asked about, whose numbers
    are places in `asked`; in the closed set these are those of training, and nobody is enrolled.
    """

    name: str
    train: tuple[tuple[Recording, ...], ...]
    asked: tuple[str, ...]
    enrol: Windows | None
    probe: Windows
    last: tuple[Recording, ...]
    """Of each person asked about, the recording that the probe comes from."""

    def recordings(self) -> list[list[Recording]]:
        """Of a closed set: all recordings of each person, the last one last."""
        return [[*own, last] for own, last in zip(self.train, self.last, strict=True)]


@dataclass(frozen=True, slots=True)
class ClosedTally:
    """Of each person asked about (P,): windows, those whose person came first and among the first five, and whether the
    whole recording's did, by mean logits. Means over seeds are no whole numbers."""

    windows: NDArray[np.float64]
    first: NDArray[np.float64]
    among_five: NDArray[np.float64]
    recording_first: NDArray[np.float64]
    recording_among_five: NDArray[np.float64]


def closed_split(recordings: Sequence[Recording], frames: int) -> Split:
    """Everybody with three recordings or more; windows of the last one, each half over the one before.

    Raises DataError for fewer than two such people.
    """
    people = by_person(recordings, _ALL_AT_ONCE, frames)
    train = tuple(tuple(own[:-1]) for own in people.values())
    probe = cut_all([own[-1:] for own in people.values()], frames, frames // 2)
    return Split("closed", train, tuple(people), None, probe, tuple(own[-1] for own in people.values()))


def open_splits(recordings: Sequence[Recording], frames: int, draws: int, held_out: int) -> tuple[Split, ...]:
    """Draws of `held_out` people of those with two recordings or more; training sees all of the others' recordings.

    Enrolled on windows of all recordings but the last, probed with windows of that which share no row. Raises DataError
    where nobody is left to learn from.
    """
    people = by_person(recordings, _HELD_OUT, frames)
    if held_out < 2 or len(people) < held_out + 2:
        raise DataError(f"{len(people)} people have two recordings, too few to hold {held_out} of them out")
    return tuple(_open_split(people, frames, draw, held_out) for draw in range(draws))


def _open_split(people: dict[str, list[Recording]], frames: int, draw: int, held_out: int) -> Split:
    drawn = set(np.random.default_rng(draw).choice(list(people), held_out, replace=False).tolist())
    train = tuple(tuple(own) for person, own in people.items() if person not in drawn)
    asked = tuple(person for person in people if person in drawn)
    enrol = cut_all([people[person][:-1] for person in asked], frames, frames // 2)
    probe = cut_all([people[person][-1:] for person in asked], frames, frames)
    return Split(f"open{draw}", train, asked, enrol, probe, tuple(people[person][-1] for person in asked))


def closed_tally(logits: NDArray[np.floating], split: Split) -> ClosedTally:
    """logits: of the probe's windows, (n, P)."""
    people = range(len(split.asked))
    place = _places(logits, split.probe.person)
    of_recordings = np.stack([logits[split.probe.person == who].mean(axis=0) for who in people])
    whole_place = _places(of_recordings, np.array(people))
    count = np.bincount(split.probe.person, minlength=len(people)).astype(np.float64)
    first, among_five = (np.bincount(split.probe.person, place < best, len(people)) for best in (1, 5))
    whole = [(whole_place < best).astype(np.float64) for best in (1, 5)]
    return ClosedTally(count, first.astype(np.float64), among_five.astype(np.float64), whole[0], whole[1])


def open_trials(
    enrol: NDArray[np.floating], probe: NDArray[np.floating], split: Split, numbers: dict[str, int]
) -> Trials:
    """Every probe window (n, D) against the mean of every person's enrolment (m, D), by cosine.

    numbers: of people, over all draws.
    """
    if split.enrol is None:
        raise DataError("nobody is enrolled in a closed set")
    who = np.array([numbers[person] for person in split.asked])
    enrolled = [mean_embedding(enrol[split.enrol.person == place].astype(np.float32)) for place in range(len(who))]
    scores = np.stack(enrolled) @ probe.T.astype(np.float32)
    template, probing = np.meshgrid(who, who[split.probe.person], indexing="ij")
    face = np.full(scores.size, -1)
    return Trials(scores.ravel().astype(np.float64), template.ravel(), probing.ravel(), face)


def _places(logits: NDArray[np.floating], person: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many people (n,) come before the right one."""
    own = np.take_along_axis(logits, person[:, None], axis=1)
    return np.asarray((logits > own).sum(axis=1))
