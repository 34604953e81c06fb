"""Which windows of people's own clips make strangers for the cohort."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from training.evaluation.prepared_clips import LabelledClip
from training.evaluation.protocols import ClipLabels
from training.filmed_cohort import filmed_people

WINDOW = 64


def clip(driver: str, frames: int, generator: str = "none", gap: int | None = None) -> LabelledClip:
    """Frames that count up; time has a gap before frame `gap`."""
    pixels = np.broadcast_to(np.arange(frames, dtype=np.uint8)[:, None, None], (frames, 128, 128))
    continues = np.arange(frames) != gap
    labels = ClipLabels(driver, driver, "s0", generator, "here", generator == "none")
    return LabelledClip(pixels, continues, 25.0, labels)


def first_and_last(clips: NDArray[np.uint8]) -> NDArray[np.float32]:
    """In place of an embedding."""
    return clips[:, [0, -1], 0, 0].astype(np.float32)


def test_windows_overlap_by_half_and_a_short_clip_is_taken_whole() -> None:
    people = filmed_people([clip("a", 130), clip("b", 31), clip("a", 64)], first_and_last, WINDOW)
    assert people["a"].tolist() == [[0, 63], [32, 95], [64, 127], [0, 63]]
    assert people["b"].tolist() == [[0, 30]]


def test_reenacted_and_very_short_clips_and_windows_with_a_gap_are_left_out() -> None:
    clips = [clip("a", 128, "warp"), clip("b", 23), clip("c", 128, gap=70), clip("d", 64, gap=10)]
    people = filmed_people(clips, first_and_last, WINDOW)
    assert set(people) == {"c"}
    assert people["c"].tolist() == [[0, 63]]


def test_a_window_may_begin_behind_a_gap() -> None:
    people = filmed_people([clip("a", 128, gap=64)], first_and_last, WINDOW)
    assert people["a"].tolist() == [[0, 63], [64, 127]]


def test_nobody_has_many_more_windows_than_others() -> None:
    people = filmed_people([clip("a", 30)] * 100, first_and_last, WINDOW)
    assert len(people["a"]) == 24
