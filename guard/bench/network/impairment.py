"""What a bad network does to the packets of one direction. Pure, seeded, in the time that the caller gives.

    packet -> lost? -> queue and link of limited rate -> delay, jitter -> held back? -> delivered at t

Every kind of trouble draws from a generator of its own: which packets of a stream are lost depends on the seed and on
their number alone, not on when they come or on what else is switched on.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from guard.errors import ConfigError

_BITS_PER_BYTE = 8


@dataclass(frozen=True, slots=True)
class Impairment:
    """One kind of bad network. Raises ConfigError for values that no network could have.

    Without `burst_packets` losses are independent; with it they come in runs of that length on average (Gilbert's
    model: the share of lost packets stays `loss`). Jitter adds |normal(0, jitter_ms / 2)| to the delay and keeps the
    order; only packets that are held back for `reorder_ms` (a share `reorder` of them) are overtaken.
    """

    loss: float = 0.0
    burst_packets: float | None = None
    delay_ms: float = 0.0
    jitter_ms: float = 0.0
    reorder: float = 0.0
    reorder_ms: float = 20.0
    rate_kbps: float | None = None
    backlog_ms: float = 300.0
    """How long a packet may wait for a link of limited rate; one that would wait longer is dropped."""

    def __post_init__(self) -> None:
        shares, times = (self.loss, self.reorder), (self.delay_ms, self.jitter_ms, self.reorder_ms, self.backlog_ms)
        if not all(0 <= share <= 1 for share in shares):
            raise ConfigError("shares of lost and reordered packets must lie between 0 and 1")
        if not all(0 <= milliseconds <= 10_000 for milliseconds in times):
            raise ConfigError("delay, jitter, reordering and backlog must lie between 0 and 10000 ms")
        if self.rate_kbps is not None and not 0 < self.rate_kbps <= 10_000_000:
            raise ConfigError("the rate of a link must lie above 0 and at most at 10000000 kbit/s")
        burst = self.burst_packets
        if burst is not None and not (1 <= burst <= 10_000 and self.loss <= burst / (1 + burst)):
            raise ConfigError(
                f"a loss of {self.loss:g} cannot come in runs of {burst:g} packets: runs are 1 to 10000 packets long, "
                "with at least one delivered packet between them"
            )


@dataclass(slots=True)
class PacketCounts:
    """What became of the packets so far."""

    taken: int = 0
    lost: int = 0
    overflowed: int = 0
    """Dropped because the link's backlog was full."""
    held_back: int = 0

    def __sub__(self, earlier: PacketCounts) -> PacketCounts:
        return PacketCounts(
            self.taken - earlier.taken,
            self.lost - earlier.lost,
            self.overflowed - earlier.overflowed,
            self.held_back - earlier.held_back,
        )


class ImpairedLink:
    """One direction: says for each packet when it will be delivered, if at all.

    seed: any text; the same seed makes the same draws.
    """

    def __init__(self, impairment: Impairment, seed: str) -> None:
        self.counts = PacketCounts()
        self._impairment = impairment
        self._losses = _Losses(impairment, Random(f"{seed}/loss"))
        self._jitter = Random(f"{seed}/jitter")
        self._holding = Random(f"{seed}/reorder")
        self._link_free_at = float("-inf")
        self._latest = float("-inf")

    def deliver_at(self, size_bytes: int, now: float) -> float | None:
        """When a packet sent `now` (seconds, never running back) arrives, or None where it never does."""
        self.counts.taken += 1
        if self._losses.next():
            self.counts.lost += 1
            return None
        through_link = self._through_link(size_bytes, now)
        if through_link is None:
            self.counts.overflowed += 1
            return None
        arrival = max(through_link + self._delay_seconds(), self._latest)
        if self._impairment.reorder and self._holding.random() < self._impairment.reorder:
            self.counts.held_back += 1
            return arrival + self._impairment.reorder_ms / 1000
        self._latest = arrival
        return arrival

    def _through_link(self, size_bytes: int, now: float) -> float | None:
        """When the last bit of the packet has left the link: a queue that exists only as the time when it is empty."""
        if self._impairment.rate_kbps is None:
            return now
        start = max(now, self._link_free_at)
        if 1000 * (start - now) > self._impairment.backlog_ms:
            return None
        self._link_free_at = start + size_bytes * _BITS_PER_BYTE / (1000 * self._impairment.rate_kbps)
        return self._link_free_at

    def _delay_seconds(self) -> float:
        jitter = abs(self._jitter.gauss(0, self._impairment.jitter_ms / 2)) if self._impairment.jitter_ms else 0.0
        return (self._impairment.delay_ms + jitter) / 1000


class _Losses:
    """Gilbert's two states: in the bad one every packet is lost, in the good one none."""

    def __init__(self, impairment: Impairment, random: Random) -> None:
        loss, burst = impairment.loss, impairment.burst_packets
        # Independent losses are the chain that forgets its state.
        self._stay_bad = loss if burst is None else 1 - 1 / burst
        self._turn_bad = loss if burst is None else loss / (1 - loss) / burst
        self._random = random
        self._bad = random.random() < loss

    def next(self) -> bool:
        """Whether the next packet is lost."""
        bad = self._bad
        self._bad = self._random.random() < (self._stay_bad if bad else self._turn_bad)
        return bad
