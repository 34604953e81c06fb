"""Media and capture time from RTP timestamps."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guard.calls.rtp_clock import VIDEO_CLOCK_HZ, RtpClock

UNIX_2026 = 1_790_000_000
NTP_2026 = (UNIX_2026 + 2_208_988_800) << 32


@given(
    first=st.integers(0, 2**32 - 1),
    steps=st.lists(st.integers(-VIDEO_CLOCK_HZ, 60 * VIDEO_CLOCK_HZ), max_size=50),
)
@settings(deadline=None)
def test_media_time_is_the_sum_of_the_steps_across_wraps(first: int, steps: list[int]) -> None:
    clock = RtpClock()
    assert clock.pts_seconds(first) == 0
    position = 0
    for step in steps:
        position += step
        assert clock.pts_seconds((first + position) % 2**32) == position / VIDEO_CLOCK_HZ


def test_a_timestamp_that_goes_back_is_no_wrap() -> None:
    clock = RtpClock()
    clock.pts_seconds(90_000)
    assert clock.pts_seconds(0) == -1.0


def test_capture_time_is_unknown_before_a_report() -> None:
    assert RtpClock().capture_seconds(0) is None


def test_a_report_without_a_clock_is_ignored() -> None:
    clock = RtpClock()
    clock.sender_report(ntp_timestamp=0, rtp_timestamp=0)
    assert clock.capture_seconds(0) is None


@pytest.mark.parametrize(
    ("report_rtp", "frame_rtp", "offset_seconds"),
    [
        (1000, 1000, 0.0),  # the instant of the report
        (1000, 1000 + 45_000, 0.5),  # after it
        (45_000, 0, -0.5),  # before it
        (2**32 - 9_000, 9_000, 0.2),  # wrapped in between
    ],
)
def test_capture_time_is_the_report_plus_the_difference(report_rtp: int, frame_rtp: int, offset_seconds: float) -> None:
    clock = RtpClock()
    clock.sender_report(NTP_2026, report_rtp)
    assert clock.capture_seconds(frame_rtp) == pytest.approx(UNIX_2026 + offset_seconds, abs=1e-6)


def test_the_latest_report_at_or_before_the_frame_counts() -> None:
    """A frame that waited for a retransmission is older than the newest report; here the clocks drift by a second."""
    clock = RtpClock()
    first = 2**32 - 90_000
    for index in range(6):
        clock.sender_report(NTP_2026 + (2 * index << 32), (first + index * 90_000) % 2**32)
    later = [clock.capture_seconds((first + ticks) % 2**32) for ticks in (5 * 90_000, 5 * 90_000 - 1, 4 * 90_000)]
    assert later == pytest.approx([UNIX_2026 + 10, UNIX_2026 + 9, UNIX_2026 + 8], abs=1e-4)
    # Those before are forgotten; the oldest that is known has to do.
    assert clock.capture_seconds(first) == pytest.approx(UNIX_2026 + 4 - 2, abs=1e-4)


def test_another_stream_starts_its_timestamps_anew() -> None:
    clock = RtpClock()
    clock.sender_report(NTP_2026, 0)
    assert [clock.pts_seconds(timestamp) for timestamp in (0, 3000)] == [0, 3000 / VIDEO_CLOCK_HZ]
    clock.restart()
    assert clock.capture_seconds(6000) is None
    assert [clock.pts_seconds(timestamp) for timestamp in (2**31, 2**31 + 3000)] == [
        3000 / VIDEO_CLOCK_HZ,
        6000 / VIDEO_CLOCK_HZ,
    ]
