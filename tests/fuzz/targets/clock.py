"""Media and capture time from whatever time stamps come."""

from __future__ import annotations

import math

from guard.calls.rtp_clock import VIDEO_CLOCK_HZ, RtpClock
from tests.fuzz.bytes_reader import BytesReader

_LONGEST_SECONDS = ((1 << 31) + 0.5) / VIDEO_CLOCK_HZ
"""And half a tick, for times are rounded to floats."""


def rtp_clock(data: bytes) -> None:
    """Times are numbers, and no step is longer than half of the counter."""
    reader, clock, last = BytesReader(data), RtpClock(), 0.0
    while reader:
        what, timestamp = reader.number(), reader.number(4)
        if what < 32:
            clock.sender_report(reader.number(8), timestamp)
        elif what < 40:
            clock.restart()
        else:
            pts = clock.pts_seconds(timestamp)
            assert math.isfinite(pts)
            assert abs(pts - last) <= _LONGEST_SECONDS
            last = pts
            capture = clock.capture_seconds(timestamp)
            assert capture is None or math.isfinite(capture)
