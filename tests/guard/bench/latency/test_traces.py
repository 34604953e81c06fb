"""One frame through sender, guard, viewer and dashboard: every stage comes out, and frames are not mixed up."""

from __future__ import annotations

import pytest

from guard.bench.latency.findings import Counts, make_row
from guard.bench.latency.traces import (
    CLIP_SECONDS,
    MOST_SECONDS,
    SentFrame,
    SentLog,
    plain_latencies_ms,
    trace_frames,
)
from tests.guard.bench.latency.made_traces import END, START, arrived, made_row, seen, traced


def test_every_stage_of_a_frame_is_known_and_the_stages_add_up() -> None:
    [trace] = traced(1, painted=True)
    assert dict(trace.stages_ms) == pytest.approx(
        {
            "network + jitter buffer": 3.0,
            "decode": 2.0,
            "queue": 1.0,
            "pixels": 2.0,
            "engine": 4.0,
            "decision": 0.5,
            "publish": 2.5,
            "WebSocket": 1.0,
            "WebSocket to dashboard": 2.0,
            "dashboard paint": 13.0,
        }
    )
    assert trace.camera_to_score_ms == pytest.approx(15)
    assert trace.arrival_to_score_ms == pytest.approx(10)
    assert trace.arrival_to_viewer_ms == pytest.approx(11)
    assert trace.camera_to_paint_ms == pytest.approx(30)


def test_a_score_that_was_not_painted_has_no_paint() -> None:
    [trace] = traced(1)
    assert trace.camera_to_paint_ms is None
    assert "dashboard paint" not in trace.stages_ms


def test_a_number_that_comes_again_belongs_to_its_newest_sending_before_the_arrival() -> None:
    log = SentLog([SentFrame(7, 1.0), SentFrame(7, 1.0 + CLIP_SECONDS)])
    assert log.sent_at(7, 5.0) == 1.0
    assert log.sent_at(7, 1.5 + CLIP_SECONDS) == 1.0 + CLIP_SECONDS
    assert log.sent_at(8, 5.0) is None
    assert log.sent_at(None, 5.0) is None


def test_a_frame_whose_sending_was_not_noted_is_not_taken_for_the_one_a_clip_before() -> None:
    log = SentLog([SentFrame(7, 1.0)])
    assert log.sent_at(7, 1.0 + MOST_SECONDS + 0.1) is None


def test_a_clock_that_is_not_quite_known_may_show_a_frame_before_it_was_sent() -> None:
    assert SentLog([SentFrame(7, 1.0)]).sent_at(7, 0.999) is None
    assert SentLog([SentFrame(7, 1.0)], uncertainty_seconds=0.002).sent_at(7, 0.999) == 1.0


def test_only_frames_that_were_sent_in_the_measured_time_count() -> None:
    times = {1: START - 0.001, 2: START, 3: END - 0.001, 4: END}
    log = SentLog(SentFrame(number, at) for number, at in times.items())
    frames = [arrived(number, at, number) for number, at in times.items()]
    scores = [seen(number, at, number) for number, at in times.items()]
    assert len(trace_frames(log, frames, scores, START, END)) == 2
    assert log.between(START, END) == 2
    pictures = [(number, at + 0.040) for number, at in times.items()]
    assert plain_latencies_ms(log, pictures, START, END) == pytest.approx([40, 40])


def test_frames_without_a_score_or_a_number_have_no_trace() -> None:
    log = SentLog([SentFrame(1, START), SentFrame(2, START + 0.03)])
    frames = [arrived(1, START, 0.0), arrived(None, START + 0.03, 0.03)]
    assert trace_frames(log, frames, [seen(2, START + 0.03, 0.03)], START, END) == []


def test_a_row_counts_what_never_came_and_compares_with_the_plain_sink() -> None:
    row = made_row(plain_ms=75.0)
    assert (row.sent_frames, row.scores, row.unscored_frames, row.plain_missing_frames) == (10, 8, 2, 2)
    assert row.plain_ratio == pytest.approx(5.0)
    assert row.p50_ms == pytest.approx(11)


def test_a_row_without_any_score_has_counts_and_no_latency() -> None:
    full = made_row()
    row = make_row("aiortc", "none", 8, full_counts(), full.cpu_per_stream, [], [], {})
    assert (row.unscored_frames, row.p50_ms, row.camera_to_score, row.plain_ratio, row.stages) == (
        240,
        None,
        None,
        None,
        {},
    )


def full_counts() -> Counts:
    return Counts(sent=240, plain_sent=30, received=100, dropped=90)
