"""The search for the largest number of streams."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.bench.streams.search import largest_passing


def run_search(limit: int, largest: int) -> tuple[int, list[int]]:
    """What is found where everything up to `largest` passes, and what was tried for it."""
    tried: list[int] = []
    search = largest_passing(limit)
    number = next(search)
    while True:
        tried.append(number)
        try:
            number = search.send(number <= largest)
        except StopIteration as end:
            return int(end.value), tried


@given(limit=st.integers(1, 300), largest=st.integers(0, 400))
def test_finds_the_largest_without_trying_any_twice(limit: int, largest: int) -> None:
    found, tried = run_search(limit, largest)
    assert found == min(limit, largest)
    assert len(set(tried)) == len(tried)
    assert all(1 <= number <= limit for number in tried)
    assert len(tried) <= 2 * math.log2(max(found, 1)) + 2


@pytest.mark.parametrize(
    ("limit", "largest", "tried"),
    [
        (64, 5, [1, 2, 4, 8, 6, 5]),
        (64, 0, [1]),
        (6, 100, [1, 2, 4, 6]),
        (1, 1, [1]),
    ],
)
def test_doubles_then_halves(limit: int, largest: int, tried: list[int]) -> None:
    assert run_search(limit, largest) == (min(limit, largest), tried)
