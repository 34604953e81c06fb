"""The guard's rule for raising an alert, on streams of scores: `engines.evidence`, warming up and hysteresis.

The guard's decision also handles faces that are missing and rates that are too low; none of that happens here. A test
holds both to the same numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engines.evidence import Evidence

Series = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class AlertRule:
    """The guard's defaults, in nats and seconds."""

    half_life_seconds: float = 10.0
    limit: float = 6.0
    enter: float = -3.0
    """Evidence at or below this raises the alert,"""
    leave: float = -1.0
    """and only above this may it be raised again."""
    min_valid_fraction: float = 0.5


def new_shares(valid: Series, window_frames: int, rule: AlertRule, *, begins: bool) -> Series:
    """What each frame adds to the evidence, in windows; 0 where too little of its window is usable. All (n,).

    begins: the template was assigned just before the first frame, and older frames do not count.
    """
    usable = valid
    if begins:
        usable = np.minimum(valid, np.arange(1, len(valid) + 1) / window_frames)
    counts = (usable > 0) & (usable >= rule.min_valid_fraction)
    shares: Series = np.where(counts, usable, 0.0) / window_frames
    return shares


def evidence_path(llr: Series, shares: Series, fps: float, rule: AlertRule, start: float = 0.0) -> Series:
    """Evidence after each frame (n,), in nats, from `start` on. llr, shares: (n,)."""
    evidence = Evidence(rule.half_life_seconds, rule.limit)
    evidence.add(start, 1.0)
    path = np.empty(len(llr))
    for place, (nats, share) in enumerate(zip(llr.tolist(), shares.tolist(), strict=True)):
        evidence.fade(1 / fps)
        evidence.add(nats, share)
        path[place] = evidence.value
    return path


def alert_frames(path: Series, shares: Series, enter: float, leave: float) -> NDArray[np.int64]:
    """The frames at which an alert is raised: once an episode, and not before a full window of video."""
    warm = np.cumsum(shares) >= 1.0
    events = np.zeros(len(path), np.int8)
    events[path > leave] = -1
    events[(path <= enter) & warm] = 1
    told = np.flatnonzero(events)
    rises = (events[told] == 1) & (np.concatenate([[-1], events[told][:-1]]) == -1)
    raised: NDArray[np.int64] = told[rises]
    return raised
