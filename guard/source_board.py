"""Where every call that the guard joins by itself stands: kept for those who ask, told to those who watch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from guard.calls.call_source import SourceState, SourceStats
from guard.calls.source_registry import safe_url
from guard.config import SourceConfig
from guard.serve.events import SourceSnapshot
from guard.serve.hub import EventHub


class SourceBoard:
    """Turns what sources report into snapshots and events. Lives on the event loop.

    sources: as they stand in the settings; what an address or a token may hold of secrets does not come out again.
    """

    def __init__(
        self, sources: Sequence[SourceConfig], hub: EventHub, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._sources = sources
        self._hub = hub
        self._now = now
        self._newest = [self._snapshot(number, SourceStats(SourceState.CLOSED)) for number in range(len(sources))]

    def snapshots(self) -> list[SourceSnapshot]:
        """Every source, in the order of the settings."""
        return list(self._newest)

    def note(self, number: int, stats: SourceStats) -> None:
        """Source `number` has changed."""
        self._newest[number] = snapshot = self._snapshot(number, stats)
        self._hub.publish(snapshot.call, None, {"type": "source", "source": snapshot})

    def _snapshot(self, number: int, stats: SourceStats) -> SourceSnapshot:
        source, wait = self._sources[number], stats.retry_seconds
        return SourceSnapshot(
            number=number,
            url=safe_url(source.url),
            call=source.call,
            state=stats.state,
            attempts=stats.attempts,
            joins=stats.joins,
            why=stats.why,
            next_attempt=self._now() + timedelta(seconds=wait) if wait is not None else None,
        )
