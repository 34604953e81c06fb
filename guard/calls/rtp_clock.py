"""Media time and capture time of one stream from its 32-bit RTP timestamps."""

from __future__ import annotations

from collections import deque

VIDEO_CLOCK_HZ = 90_000
_NTP_TO_UNIX_SECONDS = 2_208_988_800
_HALF = 1 << 31
_MODULO = 1 << 32
# Frames wait for retransmissions and the decoder for less than the time that these span.
_REPORTS_KEPT = 4


class RtpClock:
    """Unwraps RTP timestamps and relates them to the sender's clock.

    Differences are taken modulo 2^32, so that a timestamp that goes back is a step back and not a wrap.
    """

    def __init__(self) -> None:
        self._last: int | None = None
        self._ticks = 0
        self._reports: deque[tuple[float, int]] = deque(maxlen=_REPORTS_KEPT)

    def restart(self) -> None:
        """Timestamps start elsewhere from here on: media time stands still for one frame, reports are forgotten."""
        self._last = None
        self._reports.clear()

    def pts_seconds(self, timestamp: int) -> float:
        """Media time of a frame, 0 at the first one; call once per frame, in order."""
        if self._last is not None:
            self._ticks += _signed_difference(timestamp, self._last)
        self._last = timestamp
        return self._ticks / VIDEO_CLOCK_HZ

    def sender_report(self, ntp_timestamp: int, rtp_timestamp: int) -> None:
        """Take the pair of an RTCP sender report (RFC 3550 section 6.4.1): 32.32 NTP time and RTP timestamp."""
        # A sender without a clock, or one that has sent nothing yet, reports zero.
        if ntp_timestamp:
            self._reports.append((ntp_timestamp / _MODULO - _NTP_TO_UNIX_SECONDS, rtp_timestamp))

    def capture_seconds(self, timestamp: int) -> float | None:
        """Unix time of capture by the sender's clock; None before the first sender report.

        Counts from the latest report at or before the frame; from the oldest one where all are later.
        """
        if not self._reports:
            return None
        since = [(_signed_difference(timestamp, rtp), unix_seconds) for unix_seconds, rtp in reversed(self._reports)]
        ticks, unix_seconds = next((report for report in since if report[0] >= 0), since[-1])
        return unix_seconds + ticks / VIDEO_CLOCK_HZ


def _signed_difference(later: int, earlier: int) -> int:
    difference = (later - earlier) % _MODULO
    return difference - _MODULO if difference >= _HALF else difference
