"""Frames that came without their pictures get the numbers of what was sent."""

from __future__ import annotations

import pytest

from guard.bench.latency.numbering import number_by_media_time
from guard.bench.latency.probe import ArrivedFrame
from guard.bench.latency.traces import SentFrame
from tests.guard.bench.latency.made_traces import START

CLIP_FRAMES = 10


def sent(count: int, skipped: int | None = None) -> list[SentFrame]:
    """So many frames, whose sender left a tick out after the frame `skipped`."""
    ticks = [tick + (skipped is not None and tick > skipped) for tick in range(count)]
    return [SentFrame(i % CLIP_FRAMES, START + tick / 30 + 0.001, tick / 30) for i, tick in enumerate(ticks)]


def came(frames: list[SentFrame], first: int, error_seconds: float = 0.002) -> list[ArrivedFrame]:
    """Those from `first` on, whose media time starts there."""
    begun = frames[first].pts_seconds or 0.0
    return [
        ArrivedFrame(None, (frame.pts_seconds or 0.0) - begun, None, frame.at + 0.005, frame.at + error_seconds)
        for frame in frames[first:]
    ]


@pytest.mark.parametrize("first", [0, 1, 13])
@pytest.mark.parametrize("error_seconds", [0.0, -0.012, 0.012])
def test_the_first_frames_may_be_missing_and_the_clock_a_little_off(first: int, error_seconds: float) -> None:
    frames = sent(40, skipped=20)
    numbered = number_by_media_time(came(frames, first, error_seconds), frames)
    assert [frame.number for frame in numbered] == [frame.number for frame in frames[first:]]
    assert [frame.arrived_at for frame in numbered] == [frame.at + 0.005 for frame in frames[first:]]


def test_one_capture_time_far_off_changes_nothing_and_lost_frames_keep_their_numbers() -> None:
    frames = sent(40)
    arrived = [frame for i, frame in enumerate(came(frames, 2)) if i % 3]
    wrong = ArrivedFrame(None, arrived[0].pts_seconds, None, arrived[0].arrived_at, START + 99)
    numbered = number_by_media_time([wrong, *arrived[1:]], frames)
    assert [frame.number for frame in numbered] == [frame.number for i, frame in enumerate(frames[2:]) if i % 3]


def test_what_the_sender_did_not_note_has_no_number() -> None:
    frames = sent(10)
    late = came(sent(12), 0)
    assert [frame.number for frame in number_by_media_time(late, frames)][-3:] == [9, None, None]


def test_without_a_capture_time_nothing_is_known() -> None:
    arrived = [ArrivedFrame(None, 0.0, None, START)]
    assert number_by_media_time(arrived, sent(3)) == arrived
    assert number_by_media_time(came(sent(3), 0), []) == came(sent(3), 0)
