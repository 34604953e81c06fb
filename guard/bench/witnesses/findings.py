"""What the turns say together: latencies with and without, their ratio and its spread, what tracking costs. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from guard.bench.distribution import Distribution, distribution
from guard.bench.witnesses.turn import Turn
from guard.errors import SourceError

MOST_P99_RATIO = 1.10
"""Second opinions may make the engine's verdicts later by so much at p99."""
_DRAWS = 10_000


class Verdict(StrEnum):
    """What the interval of a ratio says of the bound."""

    WITHIN = "within"
    UNDECIDED = "not shown to be within, nor beyond (more rounds, or a quieter machine),"
    BROKEN = "NOT within"


@dataclass(frozen=True, slots=True)
class Side:
    """All turns of one kind. p99_ms: of each turn, in order. guard_cpu_ms: for each frame, of the guard's process."""

    latency: Distribution
    p99_ms: tuple[float, ...]
    scored_fps: float
    dropped: int
    guard_cpu_ms: float


@dataclass(frozen=True, slots=True)
class TrackingCost:
    """cpu_ms_per_frame: of the tracker, for each tracked frame. cpu_ms_per_second: for each second of a participant's
    video, at `rate_hz` tracked frames a second. found: share of these in which it saw a face. dropped: frames that
    waited in vain, as a share of all.
    """

    cpu_ms_per_frame: float
    cpu_ms_per_second: float
    rate_hz: float
    found: float
    dropped: float


@dataclass(frozen=True, slots=True)
class P99Ratio:
    """With over without. ratios: of the two turns of each round. middle: their median, which one round that something
    else disturbed does not move.

    low, high: 95 % bootstrap interval of it over rounds. pooled: of the percentiles over all turns.
    """

    ratios: tuple[float, ...]
    middle: float
    low: float
    high: float
    pooled: float

    @property
    def verdict(self) -> Verdict:
        """On the bound, as far as these rounds can tell."""
        if self.high <= MOST_P99_RATIO:
            return Verdict.WITHIN
        return Verdict.BROKEN if self.low > MOST_P99_RATIO else Verdict.UNDECIDED


def side(turns: Sequence[Turn]) -> Side:
    """Turns of one kind put together. Raises SourceError where there are none."""
    latency = distribution([value for turn in turns for value in turn.latencies_ms])
    if latency is None:
        raise SourceError("no frame was scored")
    return Side(
        latency=latency,
        p99_ms=tuple(float(np.percentile(turn.latencies_ms, 99)) for turn in turns),
        scored_fps=float(np.mean([turn.scored_fps for turn in turns])),
        dropped=sum(turn.dropped for turn in turns),
        guard_cpu_ms=float(np.mean([turn.guard_cpu_ms for turn in turns])),
    )


def p99_ratio(without: Side, with_expressions: Side, seed: int = 0) -> P99Ratio:
    """Both sides have as many turns, round by round."""
    logs = np.log(np.array(with_expressions.p99_ms) / np.array(without.p99_ms))
    draws = np.random.default_rng(seed).integers(0, len(logs), (_DRAWS, len(logs)))
    low, high = np.exp(np.percentile(np.median(logs[draws], axis=1), (2.5, 97.5)))
    return P99Ratio(
        ratios=tuple(np.exp(logs).tolist()),
        middle=float(np.exp(np.median(logs))),
        low=float(low),
        high=float(high),
        pooled=with_expressions.latency.p99_ms / without.latency.p99_ms,
    )


def witness_cpu_ms(turns: Sequence[Turn]) -> dict[str, float]:
    """CPU for each second of a participant's video, by witness, on average over the turns."""
    names = {name: None for turn in turns for name in turn.witness_cpu_ms}
    return {name: float(np.mean([turn.witness_cpu_ms.get(name, 0.0) for turn in turns])) for name in names}


def tracking_cost(turns: Sequence[Turn], streams: int) -> TrackingCost | None:
    """None where nothing was tracked."""
    counts = [turn.tracked for turn in turns if turn.tracked is not None]
    tracked, dropped = sum(each.tracked for each in counts), sum(each.dropped for each in counts)
    if not tracked:
        return None
    cpu_ms = 1000 * sum(each.cpu_seconds for each in counts)
    seconds = streams * sum(turn.seconds for turn in turns)
    return TrackingCost(
        cpu_ms_per_frame=cpu_ms / tracked,
        cpu_ms_per_second=cpu_ms / seconds,
        rate_hz=tracked / seconds,
        found=sum(each.found for each in counts) / tracked,
        dropped=dropped / (tracked + dropped),
    )
