"""The networks that a bench tries, one row each: what real calls have, from good to bad (RFC 8868 has the terms)."""

from __future__ import annotations

from dataclasses import dataclass

from guard.bench.network.impairment import Impairment

_WAY_MS = 30.0
"""Each way, in every row but the first: on loopback alone a lost packet would be there again in no time."""


@dataclass(frozen=True, slots=True)
class Network:
    """A row's name and what happens to either direction of the call."""

    name: str
    impairment: Impairment


NETWORKS = (
    Network("clean loopback", Impairment()),
    Network("1 % loss", Impairment(loss=0.01, delay_ms=_WAY_MS)),
    Network("2 % loss", Impairment(loss=0.02, delay_ms=_WAY_MS)),
    Network("5 % loss", Impairment(loss=0.05, delay_ms=_WAY_MS)),
    Network("5 % in bursts of 8", Impairment(loss=0.05, burst_packets=8, delay_ms=_WAY_MS)),
    Network("jitter 50 ms, 5 % late", Impairment(delay_ms=_WAY_MS, jitter_ms=50, reorder=0.05)),
    # Above the sender's fixed 800 kbit/s: below it every picture-loss indication would bring a keyframe that makes the
    # jam worse (217 of them in 30 s at 600 kbit/s, 94 % of packets dropped), which a sender that adapts does not do.
    Network("1 Mbit/s", Impairment(delay_ms=_WAY_MS, rate_kbps=1000)),
    Network("150 ms each way", Impairment(delay_ms=150)),
)
