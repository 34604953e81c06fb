"""The largest number that passes a test: doubling, then bisection. Pure."""

from __future__ import annotations

from collections.abc import Generator


def largest_passing(limit: int) -> Generator[int, bool, int]:
    """Yields numbers to try and is sent whether they passed; returns the largest that did, 0 where none does.

    Takes for granted that what fails fails for every larger number, too. Never tries a number twice, nor one above
    `limit`.
    """
    passed, failed, number = 0, limit + 1, 1
    while failed - passed > 1:
        if (yield number):
            passed = number
        else:
            failed = number
        number = min(2 * passed, limit) if failed > limit else (passed + failed) // 2
    return passed
