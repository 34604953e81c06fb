"""Who publishes in the room, whom the guard is subscribed to, and what has to be asked so that both agree."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TypeAlias

from guard.calls.janus.messages import FeedId, Participant, PublishedStream, Publisher, SubscribedStream
from guard.calls.janus.requests import Subscribe, Unsubscribe, WantedStream
from guard.calls.seat_names import seat_names

DECODABLE = frozenset({"vp8", "h264"})
# Browsers that send simulcast send 360p as the second layer, from a camera of 360 lines as from one of 720.
SUBSTREAM = 1
# People who only fill the room must not fill the memory.
MAX_FEEDS = 256


@dataclass(frozen=True, slots=True)
class Feed:
    """A publisher that has video which the guard can decode."""

    id: FeedId
    display: str
    video: WantedStream


@dataclass(frozen=True, slots=True)
class Seat:
    """Whose video a media section holds, and the name of their seat in the call."""

    feed: FeedId
    name: str


Source: TypeAlias = "tuple[FeedId, str | None]"
"""A publisher and its stream, as a media section of the subscription names them."""


class Room:
    """Pure bookkeeping of one visit to a room; at most `max_subscriptions` publishers are subscribed to.

    The order of arrival decides who is subscribed to and who keeps the plain name.
    """

    def __init__(self, max_subscriptions: int) -> None:
        self._max_subscriptions = max_subscriptions
        self._feeds: dict[FeedId, Feed] = {}
        self._sections: dict[str, Source] = {}
        self._unwanted_sections: set[str] = set()
        self._resting: set[FeedId] = set()
        self._refused: set[FeedId] = set()
        self._stuck: set[str] = set()
        self._one_at_a_time = False

    # --- what the server tells ----------------------------------------------------------------------------------

    def announced(self, publishers: Iterable[Publisher]) -> None:
        """These publish now, or publish something else than before."""
        for publisher in publishers:
            video = _first_video(publisher.streams)
            self._refused.discard(publisher.id)
            if video is None:
                self._feeds.pop(publisher.id, None)
                continue
            substream = SUBSTREAM if video.simulcast else None
            self._put(Feed(publisher.id, publisher.display, WantedStream(publisher.id, video.mid, substream)))

    def listed(self, participants: Iterable[Participant]) -> None:
        """Exactly these are in the room; what they publish is not known."""
        present = {participant.id: participant for participant in participants if participant.publisher}
        for feed in [feed for feed in self._feeds if feed not in present]:
            self.gone(feed)
        for participant in present.values():
            self._refused.discard(participant.id)
            self._put(Feed(participant.id, participant.display, WantedStream(participant.id, None, SUBSTREAM)))

    def gone(self, feed: FeedId) -> None:
        """This one publishes no more."""
        self._feeds.pop(feed, None)
        self._refused.discard(feed)
        self._resting.discard(feed)

    def subscribed(self, streams: Iterable[SubscribedStream]) -> None:
        """The media sections of the subscription are these."""
        self._sections = {}
        self._unwanted_sections = set()
        for stream in streams:
            if not stream.active or stream.feed_id is None:
                continue
            if stream.type == "video" and not any(feed == stream.feed_id for feed, _ in self._sections.values()):
                self._sections[stream.mid] = (stream.feed_id, stream.feed_mid)
            else:
                self._unwanted_sections.add(stream.mid)
        self._stuck &= {*self._sections, *self._unwanted_sections}

    def rest(self, mids: Iterable[str]) -> set[FeedId]:
        """Nothing can be had of these media sections now: leave their publishers, returned, alone until `rested`."""
        feeds = {self._sections[mid][0] for mid in mids if mid in self._sections}
        self._resting |= feeds
        return feeds

    def rested(self, feeds: Iterable[FeedId]) -> None:
        """These may be asked for again."""
        self._resting.difference_update(feeds)

    def refused(self, request: Subscribe) -> None:
        """The server refused a subscription. It tells not why in a way to rely on: find the bad one singly."""
        if len(request.streams) == 1:
            self._refused.add(request.streams[0].feed)
        else:
            self._one_at_a_time = True

    def granted(self, request: Subscribe | Unsubscribe) -> None:
        """The server agreed to this. What it did not do all the same is not asked for again and again."""
        if isinstance(request, Subscribe):
            self._one_at_a_time = False
            held = {feed for feed, _ in self._sections.values()}
            self._refused.update(stream.feed for stream in request.streams if stream.feed not in held)
        else:
            self._stuck.update(mid for mid in request.mids if mid in self._sections or mid in self._unwanted_sections)

    # --- what follows -------------------------------------------------------------------------------------------

    def to_unsubscribe(self) -> Unsubscribe | None:
        """What the subscription holds and should not."""
        wanted = {feed.id: feed.video.mid for feed in self._wanted()}
        mids = [mid for mid, source in self._sections.items() if not _is_wanted(source, wanted)]
        mids = [mid for mid in [*mids, *sorted(self._unwanted_sections)] if mid not in self._stuck]
        return Unsubscribe(tuple(mids)) if mids else None

    def to_subscribe(self) -> Subscribe | None:
        """What the subscription lacks."""
        held = {feed for feed, _ in self._sections.values()}
        missing = [feed.video for feed in self._wanted() if feed.id not in held]
        if self._one_at_a_time:
            missing = missing[:1]
        return Subscribe(tuple(missing)) if missing else None

    def seats(self) -> dict[str, Seat]:
        """Whose video each media section holds (mid -> seat), for publishers that are here and can be decoded."""
        mids = {
            feed: mid for mid, (feed, _) in self._sections.items() if feed in self._feeds and feed not in self._resting
        }
        names = seat_names({feed.id: feed.display for feed in self._feeds.values() if feed.id in mids})
        return {mids[feed]: Seat(feed, name) for feed, name in names.items()}

    def _put(self, feed: Feed) -> None:
        known = self._feeds.get(feed.id)
        if known is not None:
            # Whoever renames himself keeps his seat.
            self._feeds[feed.id] = replace(feed, display=known.display)
        elif len(self._feeds) < MAX_FEEDS:
            self._feeds[feed.id] = feed

    def _wanted(self) -> list[Feed]:
        able = [feed for feed in self._feeds.values() if feed.id not in self._resting | self._refused]
        held = {feed for feed, _ in self._sections.values()}
        # Nobody loses their place to somebody who could be subscribed to only later.
        able.sort(key=lambda feed: feed.id not in held)
        return able[: self._max_subscriptions]


def _first_video(streams: Iterable[PublishedStream]) -> PublishedStream | None:
    for stream in streams:
        if stream.type == "video" and not stream.disabled and (stream.codec or "").lower() in DECODABLE:
            return stream
    return None


def _is_wanted(source: Source, wanted: dict[FeedId, str | None]) -> bool:
    feed, mid = source
    return feed in wanted and wanted[feed] in (None, mid)
