"""Evidence over time: what the overlapping windows of a call say together.

**Overlap.** An embedding comes with every frame and covers the last T frames, so neighbouring windows share all but
one frame. Their log-likelihood ratios x_1, x_2, ... must not be added as if they were independent. Windows that do not
overlap may be: T frames then carry one x. Averaging that sum over the T ways of placing the first window gives every
frame's x the weight 1/T, the share of its window that is new (dt over the window's length, in time). A window of which
only a fraction v is usable carries that much less: v/T. Over any stretch of video the evidence is therefore worth as
many windows as fit into it, however often a score is computed.

**Fading.** A driver may be replaced in mid-call, so evidence halves every `half_life_seconds`, whether or not new
evidence comes: what is missing moves the evidence toward 0, never toward a verdict.

**Bound.** Evidence is held within +-limit, and so is a single window's x, because a calibration line extrapolates
beyond the scores it was fitted on. Falling from the limit to the alert threshold is then a CUSUM test (Page 1954) with
threshold h = limit - mismatch_enter: the way down after a swap is bounded (`frames_to_reach`), and for calibrated,
independent windows the mean time between false alerts is at least exp(h) windows (Lorden 1971).

Live verification accumulates with this, and evaluation simulates swaps of drivers with the very same.
"""

from __future__ import annotations

import math


class Evidence:
    """Accumulated, discounted, bounded log-likelihood ratio of one participant, in nats."""

    def __init__(self, half_life_seconds: float, limit: float) -> None:
        self._half_life_seconds = half_life_seconds
        self._limit = limit
        self._value = 0.0
        self._fresh_windows = 0.0

    @property
    def value(self) -> float:
        """Nats; positive speaks for the enrolled driver."""
        return self._value

    @property
    def fresh_windows(self) -> float:
        """How many windows' worth of video went into it since the last `interrupt`."""
        return self._fresh_windows

    def fade(self, seconds: float) -> None:
        """Let time pass. seconds: since the last call, >= 0."""
        self._value *= math.exp2(-seconds / self._half_life_seconds)

    def add(self, llr: float, new_share: float) -> None:
        """Count one more window.

        llr: nats of the whole window; must be finite. new_share: the part of a full window that is new and usable,
        valid_fraction / T where every frame brings an embedding.
        """
        self._value = self._held(self._value + self._held(llr) * new_share)
        self._fresh_windows += new_share

    def interrupt(self) -> None:
        """Video was missing: what spoke for the driver no longer counts, what spoke against stays.

        Whoever sits there after the gap may be somebody else; hiding the face must not clear a suspicion.
        """
        self._value = min(self._value, 0.0)
        self._fresh_windows = 0.0

    def reset(self) -> None:
        """Forget everything: from now on the video is compared with something else."""
        self._value = 0.0
        self._fresh_windows = 0.0

    def _held(self, nats: float) -> float:
        return min(max(nats, -self._limit), self._limit)


def settled_evidence(llr: float, *, fps: float, window_frames: int, half_life_seconds: float, limit: float) -> float:
    """Where the evidence ends up, in nats, when every window is fully usable and says `llr`.

    The fixed point of e <- e * r + llr / T with r = 2 ** (-1 / (fps * half_life)), held within the limit.
    """
    kept = math.exp2(-1 / (fps * half_life_seconds))
    settled = min(max(llr, -limit), limit) / window_frames / (1 - kept)
    return min(max(settled, -limit), limit)


def frames_to_reach(
    threshold: float,
    llr: float,
    *,
    start: float,
    fps: float,
    window_frames: int,
    half_life_seconds: float,
    limit: float,
) -> int | None:
    """Frames until evidence that stood at `start` has fallen to `threshold`, when every window says `llr`.

    After n frames e_n = r^n (start + s) - s with s = |llr| / (T (1 - r)), so n = ln((start + s) / (threshold + s)) /
    ln(1 / r), rounded up. threshold < start, llr < 0, all in nats. None where the evidence never gets there: such
    windows are too weak for this half-life, or the limit is in the way. After a swap add the T frames during which
    windows hold both drivers.
    """
    kept = math.exp2(-1 / (fps * half_life_seconds))
    settled = min(-llr, limit) / window_frames / (1 - kept)
    if settled + threshold <= 0 or threshold < -limit:
        return None
    return math.ceil(math.log((start + settled) / (threshold + settled)) / -math.log(kept))
