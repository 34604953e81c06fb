"""What the guard asks of Janus: one frozen value per request, and its form on the wire."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, TypeAlias

from guard.calls.janus.messages import FeedId

VIDEOROOM_PLUGIN = "janus.plugin.videoroom"

RoomId: TypeAlias = int | str
"""A number, or text where the server is set to `string_ids`."""


@dataclass(frozen=True, slots=True)
class Create:
    """Make a session."""

    def content(self) -> dict[str, Any]:
        return {"janus": "create"}


@dataclass(frozen=True, slots=True)
class Attach:
    """Make a handle to the VideoRoom plugin."""

    def content(self) -> dict[str, Any]:
        return {"janus": "attach", "plugin": VIDEOROOM_PLUGIN}


@dataclass(frozen=True, slots=True)
class KeepAlive:
    """Say that the session is still wanted."""

    def content(self) -> dict[str, Any]:
        return {"janus": "keepalive"}


@dataclass(frozen=True, slots=True)
class Destroy:
    """End the session with all its handles."""

    def content(self) -> dict[str, Any]:
        return {"janus": "destroy"}


@dataclass(frozen=True, slots=True)
class Admission:
    """Which room, and what lets us in."""

    room: RoomId
    pin: str | None = None
    token: str | None = None

    def fields(self) -> dict[str, Any]:
        given = {"room": self.room, "pin": self.pin, "token": self.token}
        return {name: value for name, value in given.items() if value is not None}


@dataclass(frozen=True, slots=True)
class JoinVisibly:
    """Join as somebody who could publish and does not: the others see `display`, and we hear who publishes."""

    admission: Admission
    display: str

    def content(self) -> dict[str, Any]:
        return _message({"request": "join", "ptype": "publisher", "display": self.display, **self.admission.fields()})


@dataclass(frozen=True, slots=True)
class ListParticipants:
    """Ask who is in the room without being in it."""

    admission: Admission

    def content(self) -> dict[str, Any]:
        return _message({"request": "listparticipants", **self.admission.fields()})


@dataclass(frozen=True, slots=True)
class WantedStream:
    """A publisher's video to subscribe to."""

    feed: FeedId
    mid: str | None
    """None takes every stream of the publisher, which is all one can ask for without having joined."""
    substream: int | None
    """Which simulcast layer to send, from 0 for the smallest; None where there are none."""

    def fields(self) -> dict[str, Any]:
        given = {"feed": self.feed, "mid": self.mid, "substream": self.substream}
        return {name: value for name, value in given.items() if value is not None}


@dataclass(frozen=True, slots=True)
class JoinAsSubscriber:
    """Make this handle a subscription; Janus answers with an offer."""

    admission: Admission
    private_id: int | None
    streams: tuple[WantedStream, ...]

    def content(self) -> dict[str, Any]:
        body = {"request": "join", "ptype": "subscriber", **self.admission.fields(), "streams": _streams(self.streams)}
        if self.private_id is not None:
            body["private_id"] = self.private_id
        return _message(body)


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Add streams to the subscription; Janus answers with a new offer."""

    streams: tuple[WantedStream, ...]

    def content(self) -> dict[str, Any]:
        return _message({"request": "subscribe", "streams": _streams(self.streams)})


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """Take media sections out of the subscription; Janus answers with a new offer."""

    mids: tuple[str, ...]

    def content(self) -> dict[str, Any]:
        return _message({"request": "unsubscribe", "streams": [{"sub_mid": mid} for mid in self.mids]})


@dataclass(frozen=True, slots=True)
class Start:
    """Answer an offer of Janus."""

    sdp: str

    def content(self) -> dict[str, Any]:
        return {**_message({"request": "start"}), "jsep": {"type": "answer", "sdp": self.sdp}}


Request: TypeAlias = (
    Create
    | Attach
    | KeepAlive
    | Destroy
    | JoinVisibly
    | ListParticipants
    | JoinAsSubscriber
    | Subscribe
    | Unsubscribe
    | Start
)


def to_wire(request: Request, transaction: str, session: int | None, handle: int | None) -> str:
    """The JSON text of a request within `session` and to `handle`, where there are any."""
    message = {**request.content(), "transaction": transaction}
    if session is not None:
        message["session_id"] = session
    if handle is not None:
        message["handle_id"] = handle
    return json.dumps(message)


def _message(body: dict[str, Any]) -> dict[str, Any]:
    return {"janus": "message", "body": body}


def _streams(streams: tuple[WantedStream, ...]) -> list[dict[str, Any]]:
    return [stream.fields() for stream in streams]
