"""The waits between attempts, on a given clock."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from guard.calls.backoff import Backoff, BackoffPolicy

POLICY = BackoffPolicy(first_seconds=1, factor=2, longest_seconds=10, stable_seconds=5)


class HighestRandom(Random):
    def uniform(self, a: float, b: float) -> float:
        return b


def test_waits_double_up_to_the_longest() -> None:
    backoff = Backoff(POLICY, HighestRandom())
    assert [backoff.lost(now) for now in range(6)] == [1, 2, 4, 8, 10, 10]


def test_a_stable_visit_starts_over_and_a_short_one_does_not() -> None:
    backoff = Backoff(POLICY, HighestRandom())
    assert [backoff.lost(0), backoff.lost(1)] == [1, 2]
    backoff.joined(10)
    assert backoff.lost(14.9) == 4
    backoff.joined(20)
    assert backoff.lost(25) == 1
    # The stable visit counts once.
    assert backoff.lost(100) == 2
    assert backoff.failures == 2


def test_the_server_may_ask_for_more_patience_but_not_for_less() -> None:
    backoff = Backoff(POLICY, HighestRandom())
    assert backoff.lost(0, at_least=7) == 7
    assert backoff.lost(1, at_least=0.1) == 2


@given(st.integers(0, 2**32), st.lists(st.booleans(), max_size=200))
def test_every_wait_has_its_bounds(seed: int, joins: list[bool]) -> None:
    backoff = Backoff(POLICY, Random(seed))
    now = 0.0
    for joined in joins:
        if joined:
            backoff.joined(now)
            now += POLICY.stable_seconds + 1
        before = 0 if joined else backoff.failures
        wait = backoff.lost(now)
        ceiling = min(POLICY.longest_seconds, POLICY.first_seconds * POLICY.factor**before)
        assert ceiling / 2 <= wait <= ceiling
        now += wait


def test_a_night_without_a_server_does_not_overflow() -> None:
    backoff = Backoff(POLICY, Random(1))
    for now in range(5000):
        assert backoff.lost(now) <= POLICY.longest_seconds
