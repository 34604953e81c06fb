"""The event hub: numbers events per call, keeps the latest of them, and queues them for every viewer.

Pure and synchronous: nothing here waits, and `publish` takes the same short time however slow the viewers are. All
calls come from one thread (the event loop's).

Numbering starts from the wall clock in milliseconds, not from 1. A call that was forgotten and a server that was
restarted so go on with larger numbers than any that a client remembers, and its stale `since` is recognised as too old
instead of being taken for a position in the new numbering.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice

from guard.serve.events import LIVE_EVENT_ADAPTER, LiveEvent

CALLS_KEPT = 64
"""Calls whose history is kept; the one that has been quiet for longest is forgotten first."""

_EPHEMERAL = frozenset({"score", "witnesses", "health"})
"""Types of which the next one replaces the last: a slow viewer can do without those it missed."""


@dataclass(frozen=True, slots=True)
class Published:
    """A numbered event, serialised once for all viewers."""

    event: LiveEvent
    text: str

    @property
    def seq(self) -> int:
        return self.event.seq

    @property
    def ephemeral(self) -> bool:
        return self.event.type in _EPHEMERAL


class Subscription:
    """One viewer's queue.

    What it missed before it came is handed out first and does not count towards `limit`. When `limit` live events
    wait, waiting scores, second opinions and health reports are dropped; changes of state, engine or source,
    participants and alerts never are.
    When those alone fill the queue the viewer is evicted: its queue ends, and it may come back with its last seq.
    """

    def __init__(
        self,
        position: int,
        resumed_from: int | None,
        missed: deque[Published],
        limit: int,
        notify: Callable[[], None] | None,
    ) -> None:
        self.position = position
        """Newest seq of the call when the subscription began."""
        self.resumed_from = resumed_from
        """The viewer's last seq where everything since is delivered, else None."""
        self.evicted = False
        self.dropped = 0
        self._missed = missed
        self._live: deque[Published] = deque()
        self._limit = limit
        self._notify = notify

    def __len__(self) -> int:
        return len(self._missed) + len(self._live)

    def take(self) -> Published | None:
        """The next event, or None when there is none (yet)."""
        if self._missed:
            return self._missed.popleft()
        return self._live.popleft() if self._live else None

    def offer(self, published: Published) -> None:
        """Queue an event; called by the hub."""
        if len(self._live) >= self._limit:
            self._shed()
        if len(self._live) >= self._limit:
            self.evict()
            return
        self._live.append(published)
        self._wake()

    def evict(self) -> None:
        """End this subscription and forget what waits."""
        self.evicted = True
        self._missed.clear()
        self._live.clear()
        self._wake()

    def _shed(self) -> None:
        kept = deque(waiting for waiting in self._live if not waiting.ephemeral)
        self.dropped += len(self._live) - len(kept)
        self._live = kept

    def _wake(self) -> None:
        if self._notify is not None:
            self._notify()


class _Channel:
    """One call: its numbering, its history without gaps, its viewers."""

    def __init__(self, base: int, history_events: int) -> None:
        self.newest = base
        self.history: deque[Published] = deque(maxlen=history_events)
        self.viewers: set[Subscription] = set()

    def missed_since(self, since: int | None) -> deque[Published] | None:
        """Everything after `since`, or None where that is not known any more (or never was).

        0 is the seq of a viewer that has seen nothing: it gets whatever is kept, so that a page that was opened or
        reloaded just now knows the latest alerts too.
        """
        if since == 0:
            return self.history.copy()
        if since is None or not self.newest - len(self.history) <= since <= self.newest:
            return None
        return deque(islice(self.history, len(self.history) - (self.newest - since), None))


class EventHub:
    """Where the monitor publishes and viewers subscribe.

    history_events: events kept per call for those who reconnect.
    viewer_queue_events: live events that a viewer may lag behind.
    """

    def __init__(
        self,
        history_events: int,
        viewer_queue_events: int,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._history_events = history_events
        self._viewer_queue_events = viewer_queue_events
        self._now = now
        self._channels: dict[str, _Channel] = {}
        self._highest_forgotten = 0

    @property
    def calls(self) -> tuple[str, ...]:
        """Every call that has events or viewers, the quietest first."""
        return tuple(self._channels)

    def publish(self, call: str, participant: str | None, fields: Mapping[str, object]) -> LiveEvent:
        """Add `v`, `seq` and `time` to `fields` (which name the `type`), keep the event and queue it for every viewer.

        Raises pydantic.ValidationError where the fields do not fit the schema; no number is used up then.
        """
        channel = self._channel(call)
        event = LIVE_EVENT_ADAPTER.validate_python(
            {**fields, "seq": channel.newest + 1, "time": self._now(), "call": call, "participant": participant}
        )
        published = Published(event, event.model_dump_json())
        channel.newest = event.seq
        channel.history.append(published)
        for viewer in tuple(channel.viewers):
            viewer.offer(published)
            if viewer.evicted:
                channel.viewers.discard(viewer)
        return event

    def subscribe(self, call: str, since: int | None, notify: Callable[[], None] | None = None) -> Subscription:
        """A queue of everything from now on, and of everything after `since` where all of that is still kept.

        notify: called whenever something was queued, and on eviction; must not block.
        """
        channel = self._channel(call)
        missed = channel.missed_since(since)
        subscription = Subscription(
            position=channel.newest,
            resumed_from=None if missed is None else since,
            missed=deque() if missed is None else missed,
            limit=self._viewer_queue_events,
            notify=notify,
        )
        channel.viewers.add(subscription)
        return subscription

    def unsubscribe(self, call: str, subscription: Subscription) -> None:
        """End a subscription. Harmless where it has ended already."""
        channel = self._channels.get(call)
        if channel is not None:
            channel.viewers.discard(subscription)

    def _channel(self, call: str) -> _Channel:
        channel = self._channels.pop(call, None)
        if channel is None:
            base = max(int(self._now().timestamp() * 1000), self._highest_forgotten)
            channel = _Channel(base, self._history_events)
        self._channels[call] = channel  # to the end: the first in the dictionary has been quiet for longest
        if len(self._channels) > CALLS_KEPT:
            self._forget(next(iter(self._channels)))
        return channel

    def _forget(self, call: str) -> None:
        channel = self._channels.pop(call)
        self._highest_forgotten = max(self._highest_forgotten, channel.newest)
        for viewer in channel.viewers:
            viewer.evict()
