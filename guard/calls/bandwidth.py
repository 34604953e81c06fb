"""How much the sender may send, as aiortc's estimator finds it, for the price of a call a frame and not a packet.

The estimator itself puts packets that were sent within 5 ms into one group and compares only groups. What it does for
every packet of a group, some hundred steps of Python, is done for the group here.
"""

from __future__ import annotations

from typing import NamedTuple

from aiortc.rate import RemoteBitrateEstimator
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
