"""Where an engine's time goes: its parts under a stopwatch, for a measurement of its own.

An engine is loaded with a clock or without. With one it holds its parts wrapped; without, as calls use it, it holds the
parts themselves and pays nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")
_Part = TypeVar("_Part")


class StageClock:
    """Seconds per stage since the last `clear`, stages in the order in which they first ran.

    now: monotonic seconds.
    """

    def __init__(self, now: Callable[[], float] = time.perf_counter) -> None:
        self._now = now
        self._seconds: dict[str, float] = {}

    @property
    def seconds(self) -> dict[str, float]:
        """So far; a copy."""
        return dict(self._seconds)

    def clear(self) -> None:
        """Begin anew."""
        self._seconds.clear()

    def timed(
        self, stage: str, call: Callable[_Parameters, _Result], *, settle: Callable[[], None] | None = None
    ) -> Callable[_Parameters, _Result]:
        """`call`, counted to a stage. settle: waits until what the call has started is through; its time counts."""

        def counted(*arguments: _Parameters.args, **named: _Parameters.kwargs) -> _Result:
            start = self._now()
            result = call(*arguments, **named)
            if settle is not None:
                settle()
            self._seconds[stage] = self._seconds.get(stage, 0.0) + self._now() - start
            return result

        return counted

    def watched(self, stage: str, part: _Part) -> _Part:
        """A part of an engine of which every call, and the call of every method, counts to a stage."""
        return cast(_Part, _WatchedPart(self, stage, part))


class _WatchedPart:
    def __init__(self, clock: StageClock, stage: str, part: Any) -> None:
        self._clock, self._stage, self._part = clock, stage, part

    def __call__(self, *arguments: Any) -> Any:
        return self._clock.timed(self._stage, self._part)(*arguments)

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._part, name)
        return self._clock.timed(self._stage, value) if callable(value) else value
