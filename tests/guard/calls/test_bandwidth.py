"""The bandwidth that is told to the sender: as aiortc finds it, without its loops."""

from __future__ import annotations

from aiortc.rate import OveruseEstimator, RateCounter, RemoteBitrateEstimator
from hypothesis import given
from hypothesis import strategies as st

from guard.calls.bandwidth import BandwidthWatch, RecentRate, _QuickOveruseEstimator
from guard.calls.rtp_packet import ReceivedPacket

TICKS_PER_SECOND = 1 << 18
FRAME_SECONDS = 1 / 30


def packet(number: int, send_seconds: float, size: int = 1000, *, marker: bool) -> ReceivedPacket:
    send_time = round(send_seconds * TICKS_PER_SECOND) % (1 << 24)
    return ReceivedPacket(number % 65_536, 0, 11, 97, marker, bytes(size), 0, send_time)


@given(st.lists(st.tuples(st.integers(0, 700), st.integers(0, 2000), st.booleans()), max_size=60))
def test_the_rate_is_that_of_buckets(events: list[tuple[int, int, bool]]) -> None:
    ours, theirs, now_ms = RecentRate(1000), RateCounter(1000), 5000
    for elapsed_ms, size, is_asked in events:
        now_ms += elapsed_ms
        if is_asked:
            assert ours.rate(now_ms) == theirs.rate(now_ms)
        else:
            ours.add(size, now_ms)
            theirs.add(size, now_ms)
    assert ours.rate(now_ms) == theirs.rate(now_ms)


@given(st.lists(st.floats(0, 100), max_size=150))
def test_the_shortest_interval_is_the_same(intervals: list[float]) -> None:
    ours, theirs = _QuickOveruseEstimator(), OveruseEstimator()
    for interval in intervals:
        assert ours.update_min_frame_period(interval) == theirs.update_min_frame_period(interval)


def estimates(call: BandwidthWatch | RemoteBitrateEstimator, path_bps: float, seconds: float) -> list[int]:
    """What is told about a sender of 30 frames a second, three packets each, over a path of so many bits a second."""
    found: list[int] = []
    free_at = 0.0
    for frame in range(round(seconds / FRAME_SECONDS)):
        for part in range(3):
            sent = frame * FRAME_SECONDS + part * 0.0002
            free_at = max(free_at, sent) + 8 * 1000 / path_bps
            now = 1000 + free_at
            sample = packet(3 * frame + part, sent, marker=part == 2)
            told: tuple[int, list[int]] | None
            if isinstance(call, BandwidthWatch):
                told = call.take(sample, now)
            else:
                assert sample.send_time is not None
                told = call.add(int(1000 * now), sample.send_time, len(sample.payload), sample.ssrc)
            if told is not None:
                found.append(told[0])
    return found


def test_a_free_path_is_told_to_bear_more_and_a_full_one_less_than_it_gets() -> None:
    sent_bps = 3 * 8 * 1000 / FRAME_SECONDS
    for path_bps, is_enough in ((10 * sent_bps, True), (0.7 * sent_bps, False)):
        ours = estimates(BandwidthWatch(RemoteBitrateEstimator()), path_bps, 20)
        stock = estimates(RemoteBitrateEstimator(), path_bps, 20)
        assert len(ours) > 10
        assert (ours[-1] > sent_bps) == (stock[-1] > sent_bps) == is_enough
        assert 0.7 < ours[-1] / stock[-1] < 1.4


def test_what_tells_no_time_tells_nothing() -> None:
    watch = BandwidthWatch(RemoteBitrateEstimator())
    assert watch.take(packet(1, 0.0, marker=True)._replace(send_time=None), 1.0) is None


def test_a_report_names_the_stream() -> None:
    watch = BandwidthWatch(RemoteBitrateEstimator())
    told = [watch.take(packet(n, n * FRAME_SECONDS, marker=True), 1000 + n * FRAME_SECONDS) for n in range(300)]
    estimate = next(one for one in told if one is not None)
    assert estimate.ssrcs == [11]
    assert bytes(estimate.report(5))[:2] == b"\x8f\xce"
