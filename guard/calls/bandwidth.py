"""How much the sender may send, as aiortc's estimator finds it, at a tenth of its price.

The estimator itself puts packets that were sent within 5 ms into one group and compares only groups: it gets groups
here. And what it does in loops of Python, over every millisecond and the last 60 intervals, is done without.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from aiortc.rate import MIN_FRAME_PERIOD_HISTORY_LENGTH, OveruseEstimator, RateCounter, RemoteBitrateEstimator
from aiortc.rtp import RTCP_PSFB_APP, RtcpPsfbPacket, pack_remb_fci

from guard.calls.rtp_packet import ReceivedPacket

_GROUP_TICKS = round(0.005 * (1 << 18))
_SEND_TIME_MODULO = 1 << 24


class BandwidthEstimate(NamedTuple):
    """What to tell the sender (REMB)."""

    bitrate_bps: int
    ssrcs: list[int]

    def report(self, own_ssrc: int) -> RtcpPsfbPacket:
        """The message."""
        fci = pack_remb_fci(self.bitrate_bps, self.ssrcs)
        return RtcpPsfbPacket(fmt=RTCP_PSFB_APP, ssrc=own_ssrc, media_ssrc=0, fci=fci)


class BandwidthWatch:
    """Feeds one receiver's estimator. Time is given with every packet, in seconds of one monotonic clock."""

    def __init__(self, estimator: RemoteBitrateEstimator) -> None:
        self._estimator = estimator
        estimator.incoming_bitrate = RecentRate(1000)
        estimator.estimator = _QuickOveruseEstimator()
        self._first_send_time = 0
        self._bytes = 0

    def take(self, packet: ReceivedPacket, now: float) -> BandwidthEstimate | None:
        """Take a packet; an estimate where one is due."""
        send_time = packet.send_time
        if send_time is None:
            return None
        if not self._bytes:
            self._first_send_time = send_time
        self._bytes += len(packet.payload) + packet.padding_bytes
        if not packet.marker and (send_time - self._first_send_time) % _SEND_TIME_MODULO < _GROUP_TICKS:
            return None
        size, self._bytes = self._bytes, 0
        found = self._estimator.add(
            arrival_time_ms=int(1000 * now), abs_send_time=send_time, payload_size=size, ssrc=packet.ssrc
        )
        return None if found is None else BandwidthEstimate(*found)


class RecentRate(RateCounter):
    """Bits a second over a window of milliseconds; the same figures as from a bucket for every one of them."""

    def reset(self) -> None:
        """Forget everything."""
        self._origin_ms = None
        self._arrivals: deque[tuple[int, int]] = deque()
        self._bytes = 0

    def add(self, value: int, now_ms: int) -> None:
        """So many bytes have come."""
        if self._origin_ms is None:
            self._origin_ms = now_ms
        self._erase_old(now_ms)
        self._arrivals.append((now_ms, value))
        self._bytes += value

    def rate(self, now_ms: int) -> int | None:
        """Up to now; None where too little is known."""
        if self._origin_ms is None:
            return None
        self._erase_old(now_ms)
        elapsed_ms = now_ms - self._origin_ms + 1
        return round(self._scale * self._bytes / elapsed_ms) if self._arrivals and elapsed_ms > 1 else None

    def _erase_old(self, now_ms: int) -> None:
        if self._origin_ms is not None:
            self._origin_ms = max(self._origin_ms, now_ms - self._window_size + 1)
            while self._arrivals and self._arrivals[0][0] < self._origin_ms:
                self._bytes -= self._arrivals.popleft()[1]


class _QuickOveruseEstimator(OveruseEstimator):
    def update_min_frame_period(self, ts_delta: float) -> float:
        if len(self.ts_delta_hist) >= MIN_FRAME_PERIOD_HISTORY_LENGTH:
            self.ts_delta_hist.pop(0)
        self.ts_delta_hist.append(ts_delta)
        return min(self.ts_delta_hist)
