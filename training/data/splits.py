"""Who trains, who validates, who tests: by person, so that nobody is on two sides."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping

from training.drivers.tracks import Split
from training.errors import DataError

_HELD_OUT_SHARE = 0.2
"""Of the people, for validation and again for the test."""


def split_people(people: Collection[str]) -> dict[str, Split]:
    """Split of each person: a fifth validates, a fifth tests, at least one each, the others train.

    In the order of their names' hashes: the same whatever order they come in, and blind to what a name tells. Raises
    DataError for fewer than three people.
    """
    ordered = sorted(set(people), key=lambda person: hashlib.sha256(person.encode()).digest())
    if len(ordered) < 3:
        raise DataError(
            f"{len(ordered)} people cannot be split into train, val and test; write a manifest that says who is where"
        )
    held_out = max(1, round(len(ordered) * _HELD_OUT_SHARE))
    splits: dict[str, Split] = dict.fromkeys(ordered, "train")
    splits |= dict.fromkeys(ordered[:held_out], "val")
    splits |= dict.fromkeys(ordered[held_out : 2 * held_out], "test")
    return splits


def split_of_pair(driver: str, target: str, splits: Mapping[str, Split]) -> Split:
    """The split that both belong to. Raises DataError for people of two splits, or of none."""
    for person in (driver, target):
        if person not in splits:
            raise DataError(f"{person} is in no split")
    if splits[driver] != splits[target]:
        raise DataError(
            f"its driver {driver} is in {splits[driver]} and its target {target} in {splits[target]}: fits no split"
        )
    return splits[driver]
