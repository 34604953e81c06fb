"""What recorded calls say about a network: latency, freezes, usable windows, verification. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from guard.bench.network.call import CallRecord, JudgedFrame
from guard.bench.network.networks import Network


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds from the sending of a frame to its score, over all frames that reached one."""

    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float


@dataclass(frozen=True, slots=True)
class Scores:
    """Of one driver's usable windows, which overlap: medians over them, and the share on the wrong side of 0 nats."""

    windows: int
    llr: float | None
    similarity: float | None
    error: float | None


@dataclass(frozen=True, slots=True)
class NetworkRow:
    """One network: transport over both calls, scores of each driver against the template of the genuine one.

    usable_share: windows that may be scored, of those that end with a frame that was sent. nacks, plis: messages that
    the guard has sent. sent_fps: less than the clip's rate where the sender got too little of the machine, and then the
    row says more about that than about the network. genuine and impostor are None where nobody could be enrolled.
    """

    network: Network
    sent_fps: float
    frames_sent: int
    frames_delivered: int
    frames_dropped: int
    packets_sent: int
    packets_lost: int
    packets_overflowed: int
    nacks: int
    plis: int
    latency: Latency | None
    longest_freeze_ms: float
    usable_share: float
    genuine: Scores | None
    impostor: Scores | None


def make_row(
    network: Network, genuine: CallRecord, impostor: CallRecord, min_valid_fraction: float, *, enrolled: bool
) -> NetworkRow:
    """Sum up the two calls over one network. min_valid_fraction: of a window that may be scored."""
    calls = (genuine, impostor)
    sent = sum(call.sent.frames for call in calls)
    usable = sum(len(_usable(call, min_valid_fraction)) for call in calls)
    return NetworkRow(
        network=network,
        sent_fps=sent / sum(call.ended_at - call.started_at for call in calls),
        frames_sent=sent,
        frames_delivered=sum(call.received_frames for call in calls),
        frames_dropped=sum(call.dropped_frames for call in calls),
        packets_sent=sum(call.sent.media.taken for call in calls),
        packets_lost=sum(call.sent.media.lost for call in calls),
        packets_overflowed=sum(call.sent.media.overflowed for call in calls),
        nacks=sum(call.sent.nacks for call in calls),
        plis=sum(call.sent.plis for call in calls),
        latency=_latency([frame for call in calls for frame in _of_interest(call)]),
        longest_freeze_ms=max(longest_freeze_ms(call) for call in calls),
        usable_share=min(1.0, usable / sent) if sent else 0.0,
        genuine=_scores(_usable(genuine, min_valid_fraction), wrong_side=-1) if enrolled else None,
        impostor=_scores(_usable(impostor, min_valid_fraction), wrong_side=1) if enrolled else None,
    )


def longest_freeze_ms(call: CallRecord) -> float:
    """The longest time between the arrivals of two frames that reached a verdict, within the recorded time."""
    arrivals = sorted(f.arrived_at for f in call.frames if call.started_at < f.arrived_at < call.ended_at)
    moments = [call.started_at, *arrivals, call.ended_at]
    return max(1000 * (later - earlier) for earlier, later in itertools.pairwise(moments))


def _of_interest(call: CallRecord) -> list[JudgedFrame]:
    """Frames that were sent in the recorded time, however late they arrived."""
    return [frame for frame in call.frames if call.started_at <= frame.sent_at < call.ended_at]


def _usable(call: CallRecord, min_valid_fraction: float) -> list[JudgedFrame]:
    return [frame for frame in _of_interest(call) if frame.valid_fraction >= min_valid_fraction]


def _latency(frames: Sequence[JudgedFrame]) -> Latency | None:
    if not frames:
        return None
    found = [1000 * (frame.told_at - frame.sent_at) for frame in frames]
    p50, p95, p99, worst = (float(value) for value in np.percentile(found, (50, 95, 99, 100)))
    return Latency(p50, p95, p99, worst)


def _scores(frames: Sequence[JudgedFrame], wrong_side: int) -> Scores:
    llrs = np.array([frame.llr for frame in frames if frame.llr is not None])
    similarities = np.array([frame.similarity for frame in frames if frame.similarity is not None])
    if not llrs.size or not similarities.size:
        return Scores(0, None, None, None)
    return Scores(
        windows=int(llrs.size),
        llr=float(np.median(llrs)),
        similarity=float(np.median(similarities)),
        error=float(np.mean(llrs * wrong_side > 0)),
    )
