"""How much a sender may cause in a second."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from guard.calls.rate_limit import TokenBucket


def test_a_second_of_the_rate_at_once_and_then_the_rate() -> None:
    bucket = TokenBucket(10)
    assert [bucket.take(1, 0.0) for _ in range(11)] == [True] * 10 + [False]
    assert [bucket.take(1, 0.2) for _ in range(3)] == [True, True, False]


def test_a_pause_saves_no_more_than_a_second() -> None:
    bucket = TokenBucket(10)
    bucket.take(10, 0.0)
    assert sum(bucket.take(1, 100.0) for _ in range(50)) == 10


@given(
    rate=st.floats(1, 1000),
    events=st.lists(st.tuples(st.floats(0, 2), st.floats(0, 100)), max_size=100),
)
@settings(deadline=None)
def test_never_more_than_the_rate_and_one_second_of_it(rate: float, events: list[tuple[float, float]]) -> None:
    bucket, now, taken = TokenBucket(rate), 0.0, 0.0
    for pause, amount in events:
        now += pause
        if bucket.take(amount, now):
            taken += amount
    assert taken <= rate * (now + 1) * (1 + 1e-9)
