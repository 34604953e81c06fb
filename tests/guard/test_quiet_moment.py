"""Moments in which no frame is expected."""

from __future__ import annotations

import pytest

from guard.quiet_moment import is_quiet

FRAME = 1 / 30


@pytest.mark.parametrize(
    ("since_the_newest", "quiet"),
    [(0.0, True), (0.025, True), (0.031, False), (FRAME, False), (0.037, False), (0.040, True), (5.0, True)],
)
def test_it_is_quiet_but_around_the_next_frame(since_the_newest: float, quiet: bool) -> None:
    assert is_quiet([(100.0, 30.0)], 100.0 + since_the_newest) is quiet


def test_every_camera_counts() -> None:
    assert is_quiet([(100.0, 30.0), (100.010, 30.0)], 100.015)
    assert not is_quiet([(100.0, 30.0), (99.983, 30.0)], 100.015)


def test_nothing_is_expected_of_a_camera_whose_rate_is_unknown() -> None:
    assert is_quiet([(100.0, 0.0)], 100.033)


def test_without_cameras_it_is_quiet() -> None:
    assert is_quiet([], 100.0)
