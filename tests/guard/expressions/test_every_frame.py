"""For files nothing is left out, and a tracker that ends is a reason, not an end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from guard.config import ExpressionsConfig
from guard.expressions.every_frame import EveryFrame
from guard.seat_key import SeatKey
from tests.guard.expressions.conftest import StandIn, face
from tests.guard.expressions.stand_in_tracker import brightness_of

SEAT = SeatKey("file", "file")


@contextmanager
def every_frame(config: ExpressionsConfig) -> Iterator[EveryFrame]:
    frames = EveryFrame(config)
    try:
        yield frames
    finally:
        frames.close()


def test_every_frame_of_the_rate_is_tracked(stand_in: StandIn) -> None:
    with every_frame(stand_in()) as frames:
        assert frames.status.reason is None
        for number in range(50):
            frames.offer(SEAT, face(number + 1, number / 25))
        samples = frames.take()
        np.testing.assert_allclose([sample.seconds for sample in samples], np.arange(25) / 12.5)
        assert [brightness_of(sample.blendshapes) for sample in samples] == list(range(1, 51, 2))
        frames.leave(SEAT)
        frames.offer(SEAT, face(7, 0.0))
        assert [sample.found for sample in frames.take()] == [True]


def test_a_tracker_that_ends_leaves_its_reason(stand_in: StandIn) -> None:
    with every_frame(stand_in()) as frames:
        for number, brightness in enumerate((10, 255, 30, 40)):
            frames.offer(SEAT, face(brightness, number / 10))
        assert len(frames.take()) == 1
        assert frames.status.text == "refused: the tracker of expressions ended with status 3"
        frames.leave(SEAT)


def test_without_a_tracker_there_are_no_samples(stand_in: StandIn) -> None:
    with every_frame(stand_in("refuses")) as frames:
        frames.offer(SEAT, face(10, 0.0))
        assert frames.take() == []
        assert frames.status.reason is not None
