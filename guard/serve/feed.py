"""Waiting for events: the asynchronous side of a hub subscription."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from guard.serve.hub import EventHub, Published


class Feed:
    """The events of a call for one viewer, as a context manager that unsubscribes at its end."""

    def __init__(self, hub: EventHub, call: str, since: int | None) -> None:
        self._hub = hub
        self._call = call
        self._ready = asyncio.Event()
        self._evicted = asyncio.Event()
        self.subscription = hub.subscribe(call, since, self._wake)

    def _wake(self) -> None:
        self._ready.set()
        if self.subscription.evicted:
            self._evicted.set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._hub.unsubscribe(self._call, self.subscription)

    async def next(self) -> Published:
        """The next event. Waits for ever once the viewer was evicted: wait for `evicted` beside it."""
        while (published := self.subscription.take()) is None:
            self._ready.clear()
            await self._ready.wait()
        return published

    async def evicted(self) -> None:
        """Return when the viewer has fallen too far behind."""
        await self._evicted.wait()
