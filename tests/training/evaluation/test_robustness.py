"""Bad calls: the right recordings, the same template, and what is not usable does not count."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from tests.training.evaluation.made_up_calls import WINDOW_FRAMES, clip, made_up_engine, made_up_streams
from training.data.calls import CallQuality, Received, Recording
from training.errors import DataError
from training.evaluation.robustness import BITRATE, LOSS, RATE, Condition, conditions, measure_conditions

FRAMES = 12 * WINDOW_FRAMES


def test_every_axis_begins_with_the_same_good_call() -> None:
    first = {condition.axis: condition for condition in reversed(conditions())}
    assert len(first) == 6
    assert {condition.quality for condition in first.values()} == {CallQuality()}
    assert len({(one.axis, one.value) for one in conditions()}) == len(conditions())


def received(
    recordings: Sequence[Recording], qualities: Sequence[CallQuality], processes: int
) -> Iterator[tuple[Received, ...]]:
    return (tuple(in_call(recording.driver, quality) for quality in qualities) for recording in recordings)


def in_call(driver: int, quality: CallQuality) -> Received:
    """Frames of the driver, and of nobody in particular where the bitrate is low; a break at every lost frame."""
    crops = clip(driver, FRAMES, 5)
    if quality.bitrate_bps < 100_000:
        crops[:, 0, 0] = 77
    every = round(1 / quality.lost_share) if quality.lost_share else FRAMES
    return Received(crops, np.arange(FRAMES) % every != every - 1)


def test_conditions_are_measured_on_the_enrolled_drivers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.evaluation.robustness.received_through", received)
    streams = made_up_streams(drivers=3, targets=1, frames=FRAMES, spread=0.3)
    recordings = [Recording("val", 0, driver, 10, FRAMES / 30) for driver in range(3)]
    # Half of what was sent at 60 frames per second arrives: 96 frames of 192.
    wanted = [
        Condition(BITRATE, 500, CallQuality()),
        Condition(LOSS, 0, CallQuality()),
        Condition(BITRATE, 50, CallQuality(50_000)),
        Condition(LOSS, 100, CallQuality(lost_share=1.0)),
        Condition(RATE, 200, CallQuality(fps=200)),
        Condition(RATE, 60, CallQuality(fps=60)),
    ]
    good, same, starved, lost, fast, half = measure_conditions(made_up_engine(0.3), streams, recordings, wanted, 1)
    assert good.accuracy is not None
    assert good.accuracy == same.accuracy
    assert good.accuracy.area.value == 1.0
    assert good.accuracy.trials == 3 * 3 * 12
    assert (good.usable, good.in_range, fast.in_range) == (1.0, True, False)
    assert starved.accuracy is not None
    assert starved.accuracy.area.value == pytest.approx(0.5, abs=0.1)  # whoever drives, nobody is seen
    assert lost.accuracy is None
    assert lost.usable == 0.0
    first = WINDOW_FRAMES - 1
    assert half.usable == pytest.approx((FRAMES - first) / (2 * FRAMES - first))
    with pytest.raises(DataError, match="no window of the good call"):
        measure_conditions(made_up_engine(0.3), streams, recordings, wanted[3:4], 1)
