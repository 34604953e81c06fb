"""Splits by person: disjoint, complete, and the same whoever asks in whatever order."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.data.splits import split_of_pair, split_people
from training.errors import DataError


@given(st.lists(st.text(min_size=1), min_size=3, max_size=60, unique=True))
def test_everybody_has_one_split_and_order_does_not_matter(people: list[str]) -> None:
    splits = split_people(people)
    assert set(splits) == set(people)
    assert split_people(people[::-1] + people) == splits
    counts = Counter(splits.values())
    assert counts["val"] == counts["test"] == max(1, round(len(people) / 5))
    assert counts["train"] >= 1


def test_the_splits_of_these_names_never_change() -> None:
    splits = split_people([f"person_{number}" for number in range(5)])
    assert splits["person_0"] == "val"  # by their SHA-256: 0, 2, 4, 1, 3
    assert splits["person_2"] == "test"
    assert [splits[f"person_{number}"] for number in (1, 3, 4)] == ["train"] * 3


def test_two_people_cannot_be_split() -> None:
    with pytest.raises(DataError, match="2 people cannot be split"):
        split_people(["ann", "bob", "ann"])


def test_a_pair_belongs_where_both_are() -> None:
    splits = split_people([f"person_{number}" for number in range(20)])
    by_split = {split: [name for name in splits if splits[name] == split] for split in ("train", "val", "test")}
    assert split_of_pair(by_split["val"][0], by_split["val"][1], splits) == "val"
    with pytest.raises(DataError, match="fits no split"):
        split_of_pair(by_split["val"][0], by_split["test"][0], splits)
    with pytest.raises(DataError, match="nobody is in no split"):
        split_of_pair("nobody", by_split["val"][0], splits)
