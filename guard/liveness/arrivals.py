"""Do fresh frames keep coming, and do their time stamps tell the truth? By the guard's own clock.

The Pacer goes by media time, which the sender writes. Here arrival counts: a burst of frames and then silence, a rate
that only the time stamps claim, time that stands still or runs at another speed are all seen against the guard's clock.
"""

from __future__ import annotations

import math
from collections import deque

STARVED_SECONDS = 2.0
STARVED_SHARE = 0.6
"""Fewer face frames than this share of what the lowest frame rate brings in `STARVED_SECONDS` is too little: a stream
right at the limit may so be silent for 0.8 s, as a moved crop, a lost packet or a look elsewhere may have it."""

CLOCK_SECONDS = 3.0
"""Media time and arrival time are compared over so long: time that runs 30 % fast or slow is found."""
MAX_DISAGREEMENT_SECONDS = 0.7
"""More apart than the jitter of networks, which after a stop gives back what it has held up."""
PERSISTENCE_SECONDS = 0.5
"""Held-up frames come at once; a lie stays."""

_SLICE_SECONDS = 0.25
"""The least delayed frame of each slice stands for it: a jam that ends within one is not seen."""
_SLICES = round(CLOCK_SECONDS / _SLICE_SECONDS)


class ArrivalWatch:
    """The clock's view of one participant. Arrival times in seconds on a clock that never runs back."""

    def __init__(self, min_fps: float) -> None:
        self._arrivals: deque[float] = deque(maxlen=max(2, round(STARVED_SHARE * min_fps * STARVED_SECONDS)))
        self._since: float | None = None
        self._delays: deque[tuple[int, float]] = deque(maxlen=_SLICES)
        self._disagrees_since: float | None = None

    def restart(self) -> None:
        """The video had stopped: what comes now is judged by itself."""
        self.no_face()
        self._delays.clear()
        self._disagrees_since = None

    def received(self, arrival_seconds: float, pts_seconds: float) -> None:
        """Take the times of every frame, whatever it shows."""
        if self._since is None:
            self._since = arrival_seconds
        if not math.isfinite(pts_seconds):
            return
        slice_, delay = math.floor(arrival_seconds / _SLICE_SECONDS), arrival_seconds - pts_seconds
        if self._delays and self._delays[-1][0] == slice_:
            delay = min(delay, self._delays.pop()[1])
        self._delays.append((slice_, delay))
        while slice_ - self._delays[0][0] >= _SLICES:
            self._delays.popleft()
        # All of them, not the first and the last: stamps that run slow and then jump agree with the clock now and then.
        delays = [delay for _, delay in self._delays]
        if max(delays) - min(delays) <= MAX_DISAGREEMENT_SECONDS:
            self._disagrees_since = None
        elif self._disagrees_since is None:
            self._disagrees_since = arrival_seconds

    def face(self, arrival_seconds: float) -> None:
        """Take the arrival of a frame that can be judged."""
        self._arrivals.append(arrival_seconds)

    def no_face(self) -> None:
        """A frame has come that cannot be judged, for a reason that is told already: count anew after it."""
        self._arrivals.clear()
        self._since = None

    def misdated(self, now: float) -> bool:
        """True while media time does not keep step with the clock."""
        return self._disagrees_since is not None and now - self._disagrees_since >= PERSISTENCE_SECONDS

    def starved(self, now: float) -> bool:
        """True while too few frames that can be judged have come."""
        if len(self._arrivals) == self._arrivals.maxlen:
            return now - self._arrivals[0] > STARVED_SECONDS
        return self._since is not None and now - self._since > STARVED_SECONDS
