"""When a number of streams counts as carried, and what one of them costs."""

from __future__ import annotations

import pytest

from guard.bench.clip_sender import SenderReport, SentStream
from guard.bench.streams.costs import DecodeCost, ratio
from guard.bench.streams.probe import judge, sent_fps
from guard.bench.streams.stage_cpu import StageCpu
from tests.guard.bench.streams.made_report import made_report, probed, sample


def test_streams_that_keep_30_fps_in_time_are_carried() -> None:
    probe = judge(sample(2), 30.0, 2.0, 2, "made up")
    assert probe.failure is None
    assert probe.least_fps == 30
    assert probe.latency is not None
    assert (probe.latency.count, probe.latency.p99_ms) == (600, 5)


@pytest.mark.parametrize(
    ("scored", "latency_ms", "sent", "said"),
    [
        (293, 5.0, 30.0, "29.3 fps"),
        (300, 101.0, 30.0, "p99 101 ms"),
        (300, 5.0, 29.0, "the sender got too little of the machine: 29.0 fps sent"),
        (0, 5.0, 30.0, "no frame was scored"),
    ],
)
def test_others_are_not_and_it_is_told_why(scored: int, latency_ms: float, sent: float, said: str) -> None:
    assert judge(sample(1, scored=scored, latency_ms=latency_ms), sent, 2.0, 1, "made up").failure == said


def test_a_stream_that_never_joined_is_not_carried() -> None:
    assert judge(sample(1), 30.0, 2.0, 2, "made up").least_fps == 0


def test_cpu_is_for_each_stream_and_frame() -> None:
    probe = probed(2)
    assert probe.cpu is not None
    assert (probe.cpu.receive, probe.cpu.decode, probe.cpu.total) == pytest.approx((15, 30, 90))
    assert probe.cpu.rest == pytest.approx(5)
    assert probe.cpu_ms_per_frame == pytest.approx(30)


def test_cpu_since_the_mark_is_a_difference() -> None:
    before, after = StageCpu(1, 1, 1, 1, 1, 1, 1, 8), StageCpu(2, 3, 4, 5, 6, 7, 8, 40)
    assert after - before == StageCpu(1, 2, 3, 4, 5, 6, 7, 32)


def test_decoding_is_the_mean_of_before_and_after() -> None:
    decode = DecodeCost("vp8", 0.4, 0.6)
    assert decode.ms == 0.5
    assert ratio(0.9, decode) == pytest.approx(1.8)
    assert ratio(None, decode) is None
    assert decode.streams(cores=2) == 133


def test_the_slowest_sender_counts() -> None:
    quick, slow = (tuple(number / fps for number in range(3 * fps)) for fps in (30, 20))
    report = SenderReport((SentStream("a", 300, quick), SentStream("b", 300, slow)), 1.0)
    assert sent_fps(report, 2.0) == pytest.approx(20, abs=1)


def test_the_largest_that_was_carried_is_found_again() -> None:
    report = made_report()
    assert report.with_engine.at_largest == report.with_engine.probes[1]
    assert report.without_engine.at_largest is None
