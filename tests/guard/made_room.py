"""A running monitor and what its viewers hear, all in made-up time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from guard.calls.source import LatestFrames
from guard.monitor import Monitor
from guard.serve.events import LiveEvent
from guard.serve.feed import Feed
from guard.serve.hub import EventHub
from guard.verify.store import TemplateStore
from tests.guard.conftest import ALICE, gray_frame

FPS = 25

MadeRoom = TypeVar("MadeRoom", bound="Room")


@dataclass(kw_only=True)
class Room:
    """The call "main"."""

    monitor: Monitor
    store: TemplateStore
    feed: Feed = field(init=False)
    start_seconds: float = field(default_factory=time.monotonic)
    media_seconds: float = 0.0

    @property
    def now(self) -> float:
        """On the pipeline's clock."""
        return self.start_seconds + self.media_seconds

    def push(self, frames: LatestFrames) -> None:
        """The next frame of a participant; time moves on by it."""
        self.media_seconds += 1 / FPS
        frames.push(gray_frame(ALICE, self.media_seconds, self.now))

    async def until(self, wanted: Callable[[LiveEvent], bool]) -> LiveEvent:
        """The first event that is wanted, of those that come."""
        async with asyncio.timeout(20):
            while not wanted(event := (await self.feed.next()).event):
                pass
            return event


@asynccontextmanager
async def running(room: MadeRoom, hub: EventHub) -> AsyncIterator[MadeRoom]:
    """The room with its monitor, while the context lasts."""
    with Feed(hub, "main", None) as room.feed:
        room.monitor.pipeline.clock = lambda: room.now
        await room.monitor.start()
        try:
            yield room
        finally:
            await room.monitor.stop()
