"""A visit to a VideoRoom as a state machine: messages and time go in, what to do comes out. No I/O.

create -> attach -> join visibly (or poll the list of participants) -> attach a second handle as soon as somebody
publishes -> join as subscriber -> answer offers, subscribe and unsubscribe as people come and go.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from guard.calls.janus.messages import FeedId, Message, RoomEvent, parse_message
from guard.calls.janus.requests import (
    Admission,
    Attach,
    Create,
    Destroy,
    JoinAsSubscriber,
    JoinVisibly,
    KeepAlive,
    ListParticipants,
    Request,
    Start,
    Subscribe,
    Unsubscribe,
    to_wire,
)
from guard.calls.janus.room import Room, Seat

# Janus ends a session after 60 s of silence.
KEEPALIVE_SECONDS = 25.0
REPLY_SECONDS = 10.0
POLL_SECONDS = 2.0
LOST_REST_SECONDS, UNUSABLE_REST_SECONDS = 5.0, 60.0
"""A stream that ended by itself, or cannot be decoded, is asked for again after so long. Never to ask again would let
anybody shake the guard off by falling silent, or by another codec, for once."""

# Error codes of the VideoRoom plugin that another attempt will not change.
_MISSING_ELEMENT = 429
_UNAUTHORISED = 433


@dataclass(frozen=True, slots=True)
class Send:
    """Send this text."""

    text: str


@dataclass(frozen=True, slots=True)
class Joined:
    """The room has let us in."""


@dataclass(frozen=True, slots=True)
class Offer:
    """Apply this offer, then call `answered`. `seats` says whose video each media section holds (mid -> seat).

    A media section that has another seat than before shows somebody else from here on; one without a seat shows nobody.
    """

    sdp: str
    seats: dict[str, Seat]


@dataclass(frozen=True, slots=True)
class EndStreams:
    """Whoever these media sections showed is gone; the offer that says so will follow."""

    mids: frozenset[str]


@dataclass(frozen=True, slots=True)
class Ended:
    """The visit is over; a new one may succeed unless it `is_final`."""

    why: str
    is_final: bool = False


Action: TypeAlias = Send | Joined | Offer | EndStreams | Ended


class _Handle(Enum):
    """What a handle to the plugin is for."""

    NONE = "none"
    ROOM = "room"
    SUBSCRIPTION = "subscription"


@dataclass(frozen=True, slots=True)
class _Pending:
    request: Request
    handle: _Handle
    deadline_seconds: float


class JanusSession:
    """One visit. Every method returns what is to be done, in order; after `Ended` nothing more comes.

    Times are seconds of one monotonic clock. `next_transaction` makes names that the server cannot guess.
    """

    def __init__(
        self, admission: Admission, display: str | None, max_subscriptions: int, next_transaction: Callable[[], str]
    ) -> None:
        """`display` is the name that the others in the room see; None stays out of their sight."""
        self._admission = admission
        self._display = display
        self._next_transaction = next_transaction
        self._room = Room(max_subscriptions)
        self._session_id: int | None = None
        self._handles: dict[_Handle, int] = {}
        self._private_id: int | None = None
        self._own_id: FeedId | None = None
        self._has_joined = False
        self._is_subscriber = False
        self._seats: dict[str, Seat] = {}
        self._pending: dict[str, _Pending] = {}
        self._has_open_offer = False
        self._keepalive_due = float("inf")
        self._poll_due = float("inf")
        self._rests: list[tuple[float, set[FeedId]]] = []
        """Until when these publishers are left alone."""
        self._has_ended = False

    @property
    def next_tick_seconds(self) -> float:
        """When `tick` or `nothing_heard` may have something to do."""
        deadlines = [pending.deadline_seconds for pending in self._pending.values()]
        deadlines += [due for due, _ in self._rests]
        return min([self._keepalive_due, self._poll_due, *deadlines])

    def start(self, now: float) -> list[Action]:
        """The WebSocket is open."""
        return [self._send(Create(), _Handle.NONE, now)]

    def receive(self, text: str | bytes, now: float) -> list[Action]:
        """A message has come."""
        if self._has_ended:
            return []
        try:
            message = parse_message(text)
        except ValueError as error:
            return self._end(f"the server sent something else than expected: {error}")
        pending = self._take_pending(message)
        if message.janus == "ack":
            return []
        if message.janus == "error":
            return self._on_error(message, pending)
        if message.janus == "success" and pending is not None:
            return self._on_success(message, pending, now)
        if message.janus in ("event", "success"):
            return self._on_event(message, pending, now)
        if message.janus in ("timeout", "hangup", "detached"):
            return self._on_loss(message)
        return []

    def answered(self, sdp: str, now: float) -> list[Action]:
        """The last offer has been applied; `sdp` is the answer."""
        if self._has_ended:
            return []
        self._has_open_offer = False
        return [self._send(Start(sdp), _Handle.SUBSCRIPTION, now)]

    def unusable(self, mids: frozenset[str], now: float) -> list[Action]:
        """What these media sections hold cannot be decoded: ask for it anew after `UNUSABLE_REST_SECONDS`."""
        return self._rest(mids, UNUSABLE_REST_SECONDS, now)

    def lost(self, mids: frozenset[str], now: float) -> list[Action]:
        """The streams of these media sections have ended by themselves: ask for them anew after `LOST_REST_SECONDS`."""
        return self._rest(mids, LOST_REST_SECONDS, now)

    def tick(self, now: float) -> list[Action]:
        """Time has passed."""
        if self._has_ended:
            return []
        actions: list[Action] = []
        if now >= self._keepalive_due:
            self._keepalive_due = now + KEEPALIVE_SECONDS
            actions.append(self._send(KeepAlive(), _Handle.NONE, now))
        if now >= self._poll_due:
            self._poll_due = float("inf")
            actions.append(self._send(ListParticipants(self._admission), _Handle.ROOM, now))
        if over := [feeds for due, feeds in self._rests if now >= due]:
            self._rests = [rest for rest in self._rests if now < rest[0]]
            self._room.rested(set().union(*over))
            actions += self._catch_up(now)
        return actions

    def nothing_heard(self, now: float) -> list[Action]:
        """There is no message waiting: what has not been answered in time was not answered.

        Apart from `tick`, because a guard that was busy itself finds the time over and the answers before it.
        """
        if not self._has_ended and any(now >= pending.deadline_seconds for pending in self._pending.values()):
            return self._end(f"the server did not answer within {REPLY_SECONDS:.0f} s")
        return []

    def leave(self, now: float) -> list[Action]:
        """Say goodbye; nothing more comes afterwards."""
        if self._has_ended or self._session_id is None:
            self._has_ended = True
            return []
        farewell = self._send(Destroy(), _Handle.NONE, now)
        self._has_ended = True
        return [farewell]

    # --- answers ------------------------------------------------------------------------------------------------

    def _take_pending(self, message: Message) -> _Pending | None:
        pending = self._pending.get(message.transaction or "")
        # An ack only says that the answer will come as an event; a keepalive gets nothing else.
        if pending is not None and (message.janus != "ack" or isinstance(pending.request, KeepAlive)):
            self._pending = {name: other for name, other in self._pending.items() if other is not pending}
        return pending

    def _on_success(self, message: Message, pending: _Pending, now: float) -> list[Action]:
        match pending.request:
            case Create() if message.data is not None:
                self._session_id = message.data.id
                self._keepalive_due = now + KEEPALIVE_SECONDS
                return [self._send(Attach(), _Handle.ROOM, now)]
            case Attach() if message.data is not None:
                self._handles[pending.handle] = message.data.id
                return self._on_attached(pending.handle, now)
            case Create() | Attach():
                return self._end("the server gave its session or handle no number")
        return self._on_event(message, pending, now)

    def _on_attached(self, handle: _Handle, now: float) -> list[Action]:
        if handle is _Handle.SUBSCRIPTION:
            return self._catch_up(now)
        if self._display is None:
            return [self._send(ListParticipants(self._admission), _Handle.ROOM, now)]
        return [self._send(JoinVisibly(self._admission, self._display), _Handle.ROOM, now)]

    def _on_error(self, message: Message, pending: _Pending | None) -> list[Action]:
        reason = message.error.reason if message.error is not None else "no reason given"
        what = f" to {type(pending.request).__name__}" if pending is not None else ""
        return self._end(f"the server answered{what} with an error: {reason}")

    def _on_loss(self, message: Message) -> list[Action]:
        if message.janus == "timeout":
            return self._end("the server ended the session: it heard nothing from the guard")
        if message.sender in self._handles.values():
            return self._end(f"the server ended the media connection: {message.reason or 'no reason given'}")
        return []

    # --- events of the plugin -----------------------------------------------------------------------------------

    def _on_event(self, message: Message, pending: _Pending | None, now: float) -> list[Action]:
        event = message.room_event
        if event is None:
            return []
        if event.error_code is not None:
            return self._on_refusal(event, pending, now)
        if event.videoroom == "destroyed":
            return self._end("the room was destroyed")
        if event.reason == "kicked" or (event.kicked is not None and event.kicked == self._own_id):
            return self._end("the guard was removed from the room by its moderator", is_final=True)
        if message.sender is not None and message.sender == self._handles.get(_Handle.SUBSCRIPTION):
            return self._on_subscription(message, event, pending, now)
        return self._on_room(event, pending, now)

    def _on_room(self, event: RoomEvent, pending: _Pending | None, now: float) -> list[Action]:
        joined: list[Action] = []
        request = pending.request if pending is not None else None
        if isinstance(request, JoinVisibly | ListParticipants) and not self._has_joined:
            self._has_joined = True
            joined = [Joined()]
        if event.videoroom == "joined":
            self._private_id, self._own_id = event.private_id, event.id
        if isinstance(request, ListParticipants):
            self._room.listed(event.participants)
            self._poll_due = now + POLL_SECONDS
        self._room.announced(event.publishers)
        for feed in (event.unpublished, event.leaving, event.kicked):
            if feed is not None:
                self._room.gone(feed)
        return [*joined, *self._catch_up(now)]

    def _on_subscription(
        self, message: Message, event: RoomEvent, pending: _Pending | None, now: float
    ) -> list[Action]:
        if event.videoroom in ("attached", "updated"):
            self._is_subscriber = True
            self._room.subscribed(event.streams)
        if pending is not None and (change := _change_asked_for(pending.request)) is not None:
            self._room.granted(change)
        if message.jsep is not None and message.jsep.type == "offer":
            self._has_open_offer = True
            self._seats = self._room.seats()
            return [Offer(message.jsep.sdp, self._seats)]
        return self._catch_up(now)

    def _on_refusal(self, event: RoomEvent, pending: _Pending | None, now: float) -> list[Action]:
        request = pending.request if pending is not None else None
        is_refused_entry = event.error_code in (_MISSING_ELEMENT, _UNAUTHORISED)
        if isinstance(request, Subscribe) or (isinstance(request, JoinAsSubscriber) and not is_refused_entry):
            self._room.refused(Subscribe(request.streams))
            return self._catch_up(now)
        if isinstance(request, Unsubscribe):
            self._room.granted(request)
            return self._catch_up(now)
        reason = event.error or f"error {event.error_code}"
        is_final = is_refused_entry and isinstance(request, JoinVisibly | JoinAsSubscriber)
        if is_final and self._display is None:
            reason += "; a room may take subscribers only from those who joined it: join visibly"
        return self._end(f"the room refused the guard: {reason}", is_final)

    # --- requests -----------------------------------------------------------------------------------------------

    def _catch_up(self, now: float) -> list[Action]:
        """End what is over, and ask for the next change of the subscription; renegotiations go one at a time."""
        ended = self._end_streams()
        request = None if self._is_negotiating else self._next_change()
        return ended if request is None else [*ended, self._send(request, _Handle.SUBSCRIPTION, now)]

    @property
    def _is_negotiating(self) -> bool:
        return self._has_open_offer or any(pending.handle is _Handle.SUBSCRIPTION for pending in self._pending.values())

    def _rest(self, mids: frozenset[str], seconds: float, now: float) -> list[Action]:
        if self._has_ended:
            return []
        if feeds := self._room.rest(mids):
            self._rests.append((now + seconds, feeds))
        return self._catch_up(now)

    def _next_change(self) -> Request | None:
        subscribe = self._room.to_subscribe()
        if self._is_subscriber:
            return self._room.to_unsubscribe() or subscribe
        if subscribe is None:
            return None
        if _Handle.SUBSCRIPTION not in self._handles:
            return Attach()
        return JoinAsSubscriber(self._admission, self._private_id, subscribe.streams)

    def _end_streams(self) -> list[Action]:
        present = self._room.seats()
        gone = frozenset(
            mid for mid, seat in self._seats.items() if mid not in present or present[mid].feed != seat.feed
        )
        if not gone:
            return []
        self._seats = {mid: seat for mid, seat in self._seats.items() if mid not in gone}
        return [EndStreams(gone)]

    def _send(self, request: Request, handle: _Handle, now: float) -> Action:
        transaction = self._next_transaction()
        self._pending[transaction] = _Pending(request, handle, now + REPLY_SECONDS)
        to_handle = None if isinstance(request, Attach) else self._handles.get(handle)
        return Send(to_wire(request, transaction, self._session_id, to_handle))

    def _end(self, why: str, is_final: bool = False) -> list[Action]:
        self._has_ended = True
        return [Ended(why, is_final)]


def _change_asked_for(request: Request) -> Subscribe | Unsubscribe | None:
    if isinstance(request, JoinAsSubscriber):
        return Subscribe(request.streams)
    return request if isinstance(request, Subscribe | Unsubscribe) else None
