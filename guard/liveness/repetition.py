"""A replayed clip: the same motion as some seconds or minutes ago, forwards, or backwards as in a ping-pong loop.

A face never moves in quite the same way twice, while a clip that is played again does so up to the codec's noise. What
is compared is motion, not the picture (a background always resembles itself): the difference of crops `SPAN_SECONDS`
apart in 8x8 blocks, less its mean (light that flickers) and held in length, so that no moment outweighs the rest.
For every lag of the last `MEMORY_SECONDS` a running correlation says how well the newest motion repeats the motion of
that long ago:

    F_l(t) = k F_l(t - dt) + <d(t), d(t - l)>            forwards: the lag l stays the same
    B_l(t) = k B_{l - 2 dt}(t - dt) - <d(t), d(t - l)>   backwards: the lag grows twice as fast as time, motion turns

each divided by the root of the same sums of |d|^2. With k of a time constant of `FADE_SECONDS` a perfect repeat comes
to `MATCH` after about -FADE_SECONDS * ln(1 - MATCH) seconds: that much of the repeat must be seen, because over less
living faces resemble themselves too often (README.md here has the figures). One product of the newest motion with
the memory every `_QUERY_TICKS`: cost and memory do not depend on how long the call lasts.

Found: loops and ping-pong loops of up to `MEMORY_SECONDS`, and a replay of what was recorded within that time in this
very call, whatever the codec makes of it. Not found: a clip's first playing, a longer loop, a copy that was mirrored,
zoomed, cut differently or played at another speed, and a loop whose sender connects anew at each turn.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from guard.liveness.fingerprint import COARSE_SIDE, coarse

MEMORY_SECONDS = 90.0
SPAN_SECONDS = 0.2
FADE_SECONDS = 1.0
MATCH = 0.9
"""Correlation that is a repetition."""
HOLD_SECONDS = 4.0
"""A loop counts as one for so long after its last match: it may hold a moment in which nobody moves."""

TICKS_PER_SECOND = 30
_MEMORY_TICKS = round(MEMORY_SECONDS * TICKS_PER_SECOND)
_SPAN_TICKS = round(SPAN_SECONDS * TICKS_PER_SECOND)
_QUERY_TICKS = 6
_MIN_LAG_TICKS = TICKS_PER_SECOND
"""Shorter loops repeat at this lag too, and what a face does within a second often resembles itself."""
_MIN_TURN_LAG_TICKS = 4 * TICKS_PER_SECOND
"""Any nod is its own mirror image near its turning point; after two seconds only reversed video still is."""
_HOLD_TICKS = round(HOLD_SECONDS * TICKS_PER_SECOND)
_LONGEST_STEP_SECONDS = 1.0
_GAP_TICKS = 6
_SIZE = COARSE_SIDE * COARSE_SIDE
_NOISE_LEVEL = 0.5
"""Root mean square of a difference, in grey levels, that counts half: about what a codec's noise measures."""
_MIN_ENERGY = 0.2
"""Mean square of the held differences, of at most 1, below which there is no motion that could be recognised."""
_MIN_SHARE = 0.25
"""Of the newest motion's energy that the older one must have to be compared."""

_SHARE = np.float32(1 / _SIZE)

Floats = NDArray[np.float32]


class RepetitionWatch:
    """Remembers the motion of one participant and recognises it when it comes again. Time in seconds of media."""

    def __init__(self) -> None:
        self._motion = np.zeros((_MEMORY_TICKS, _SIZE), np.float32)
        self._energy = np.zeros(_MEMORY_TICKS, np.float32)
        self._pictures = np.zeros((_SPAN_TICKS + 1, _SIZE), np.float32)
        self._forward = np.zeros((2, _MEMORY_TICKS), np.float32)
        self._backward = np.zeros((2, _MEMORY_TICKS), np.float32)
        self._own_energy = 0.0
        self._seconds = 0.0
        self._seen: float | None = None
        self._generation: int | None = None
        self._tick = 0
        self._run_start = 0
        self._asked = 0
        self._matched: int | None = None
        self._score = 0.0

    @property
    def score(self) -> float:
        """Best correlation of the newest motion with any earlier one; 0 where there is too little motion to tell."""
        return self._score

    @property
    def repeating(self) -> bool:
        """True while the video repeats itself."""
        return self._matched is not None and self._tick - self._matched <= _HOLD_TICKS

    def step(self, picture: NDArray[np.float32], generation: int, seconds: float) -> None:
        """Take the fingerprint of the next frame, float32 (16, 16).

        seconds: media time. A jump in it neither erases the memory nor makes the guard idle: an unlikely step counts as
        one tick. generation: of the crop; pictures of two generations are not compared.
        """
        before, first = self._tick, self._seen is None
        self._advance(seconds)
        if self._tick == before and not first:
            return
        skipped = self._tick - before
        if generation != self._generation or skipped > _GAP_TICKS:
            self._generation, self._run_start = generation, self._tick
        self._remember(coarse(picture), skipped)
        if self._tick - self._asked >= _QUERY_TICKS:
            self._ask()

    def _advance(self, seconds: float) -> None:
        step = 0.0 if self._seen is None else seconds - self._seen
        self._seen = seconds
        if not 0 < step <= _LONGEST_STEP_SECONDS:
            step = 1 / TICKS_PER_SECOND
        self._seconds += step
        self._tick = math.floor(self._seconds * TICKS_PER_SECOND + 0.5)

    def _remember(self, picture: Floats, skipped: int) -> None:
        """Write the motion up to now into every tick since the last; over a gap nothing is known of it."""
        oldest = self._tick - _SPAN_TICKS
        row = held(picture - self._pictures[oldest % len(self._pictures)]) if oldest >= self._run_start else None
        for tick in range(self._tick - min(skipped, _MEMORY_TICKS) + 1, self._tick + 1):
            place = tick % _MEMORY_TICKS
            known = row is not None and skipped <= _GAP_TICKS
            self._motion[place] = row if known else 0.0
            self._energy[place] = float(row @ row) / _SIZE if row is not None and known else 0.0
        for tick in range(max(self._tick - min(skipped, _SPAN_TICKS) + 1, self._run_start), self._tick + 1):
            self._pictures[tick % len(self._pictures)] = picture

    def _ask(self) -> None:
        """Bring the correlation at every lag up to date and look for the best."""
        elapsed, self._asked = self._tick - self._asked, self._tick
        kept = math.exp(-elapsed / TICKS_PER_SECOND / FADE_SECONDS)
        place = self._tick % _MEMORY_TICKS
        newest = self._motion[place]
        product = _by_lag(self._motion @ newest, place) / _SIZE
        energy = _by_lag(self._energy, place)
        self._own_energy = kept * self._own_energy + float(self._energy[place])
        self._forward *= kept
        self._forward[0] += product
        self._forward[1] += energy
        turned = min(2 * elapsed, _MEMORY_TICKS)
        self._backward[:, turned:] = kept * self._backward[:, : _MEMORY_TICKS - turned]
        self._backward[:, :turned] = 0
        self._backward[0] -= product
        self._backward[1] += energy
        self._score = self._best(kept)
        if self._score >= MATCH:
            self._matched = self._tick

    def _best(self, kept: float) -> float:
        settled = 1 / (1 - kept)
        if self._own_energy < _MIN_ENERGY * settled:
            return 0.0
        best = 0.0
        for sums, shortest in ((self._forward, _MIN_LAG_TICKS), (self._backward, _MIN_TURN_LAG_TICKS)):
            product, energy = sums[:, shortest:]
            comparable = np.maximum(energy, _MIN_SHARE * self._own_energy)
            best = max(best, float((product / np.sqrt(comparable)).max()))
        return best / math.sqrt(self._own_energy)


def held(difference: Floats) -> Floats:
    """A difference without its mean and of bounded length: root mean square r becomes r / (r + noise level)."""
    motion: Floats = difference - np.add.reduce(difference) * _SHARE
    level = math.sqrt(float(motion @ motion) / _SIZE)
    motion *= np.float32(1 / (level + _NOISE_LEVEL))
    return motion


def _by_lag(ring: Floats, newest: int) -> Floats:
    """A ring's values, newest first."""
    return np.concatenate((ring[newest::-1], ring[:newest:-1]))
