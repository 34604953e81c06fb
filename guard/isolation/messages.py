"""What guard and worker say to each other: one JSON object a line. Pure; no I/O.

Orders go to the worker, which trusts them. Reports come from it, and may be anything: what is no valid report means
that the worker is not ours any more. Peers and streams have numbers here: a worker never learns who is in which call.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, SecretStr, TypeAdapter, ValidationError, field_serializer

from guard.config import CallsConfig
from guard.one_line import one_line

MAX_REPORT_BYTES = 1_048_576
"""A session description of the guard's own, escaped, is far below."""
MAX_ORDER_BYTES = 16_777_216
"""The largest offer that can be configured, with every character escaped."""
OUT_OF_MEMORY = 12
"""Exit status of a worker."""
_MAX_SDP_CHARACTERS = 262_144
_MAX_WHY_CHARACTERS = 300
_MAX_NUMBER = 2**53

Number = Annotated[int, Field(ge=0, le=_MAX_NUMBER)]
Why = Annotated[str, Field(max_length=_MAX_WHY_CHARACTERS, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")]
"""Goes into events and logs."""


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


# --- orders -----------------------------------------------------------------------------------------------------------


class WorkerSettings(_Message):
    """What a worker must know. Holds the passwords of ICE servers and no other secret."""

    calls: CallsConfig
    min_fps: float
    parent: int
    """Process id of the guard."""
    memory_bytes: int

    @field_serializer("calls")
    def _with_ice_passwords(self, calls: CallsConfig) -> dict[str, object]:
        values = calls.model_dump(exclude={"sources"})
        for server in values["ice_servers"]:
            if isinstance(server["credential"], SecretStr):
                server["credential"] = server["credential"].get_secret_value()
        return values


class Start(_Message):
    """The first order."""

    type: Literal["start"] = "start"
    settings: WorkerSettings


class MakeOffer(_Message):
    """Offer to receive one video on a new peer; replied to with the offer."""

    type: Literal["make_offer"] = "make_offer"
    request: Number
    peer: Number


class AcceptAnswer(_Message):
    """Take the answer to the peer's own offer; replied to without a description."""

    type: Literal["accept_answer"] = "accept_answer"
    request: Number
    peer: Number
    sdp: str
    stream: Number


class TakeOffer(_Message):
    """Answer an offer on a new peer or one that stands; replied to with the answer."""

    type: Literal["take_offer"] = "take_offer"
    request: Number
    peer: Number
    sdp: str
    streams: dict[str, Number]
    """Which ring the video of a media section goes to, by mid."""
    multistream: bool


class EndStream(_Message):
    """End one stream of a peer."""

    type: Literal["end_stream"] = "end_stream"
    peer: Number
    mid: str
    why: str


class EndPeer(_Message):
    """End a peer and all of its streams."""

    type: Literal["end_peer"] = "end_peer"
    peer: Number
    why: str


Order: TypeAlias = Annotated[
    Start | MakeOffer | AcceptAnswer | TakeOffer | EndStream | EndPeer, Field(discriminator="type")
]

# --- reports ----------------------------------------------------------------------------------------------------------


class Measure(_Message):
    """One way in which the worker is confined, and whether it holds on this machine."""

    name: Annotated[str, Field(max_length=40)]
    holds: bool
    detail: Why


class Ready(_Message):
    """The worker is confined and takes orders."""

    type: Literal["ready"] = "ready"
    measures: Annotated[tuple[Measure, ...], Field(max_length=20)]


class Beat(_Message):
    """The worker's event loop runs."""

    type: Literal["beat"] = "beat"


class Reply(_Message):
    """The outcome of a request: a description, nothing, or why not with the HTTP status to answer with."""

    type: Literal["reply"] = "reply"
    request: Number
    sdp: Annotated[str, Field(max_length=_MAX_SDP_CHARACTERS, pattern=r"^v=0")] | None = None
    error: Why | None = None
    status: Annotated[int, Field(ge=400, le=599)] = 503


class StreamJoined(_Message):
    """The connection stands; frames of this stream may come."""

    type: Literal["stream_joined"] = "stream_joined"
    peer: Number
    stream: Number


class StreamEnded(_Message):
    """No frame of this stream will come any more."""

    type: Literal["stream_ended"] = "stream_ended"
    peer: Number
    stream: Number
    why: Why


class PeerEnded(_Message):
    """All of the peer is gone."""

    type: Literal["peer_ended"] = "peer_ended"
    peer: Number
    why: Why


Report: TypeAlias = Annotated[
    Ready | Beat | Reply | StreamJoined | StreamEnded | PeerEnded, Field(discriminator="type")
]

_ORDERS: TypeAdapter[Order] = TypeAdapter(Order)
_REPORTS: TypeAdapter[Report] = TypeAdapter(Report)


def to_line(message: _Message) -> bytes:
    """A message as it is sent."""
    return message.model_dump_json().encode() + b"\n"


def read_order(line: bytes) -> Order:
    """An order of the guard's."""
    return _ORDERS.validate_json(line)


def read_report(line: bytes) -> Report:
    """A report of a worker's. Raises ValueError, which says nothing of what the line holds."""
    try:
        return _REPORTS.validate_json(line)
    except ValidationError as error:
        raise ValueError(f"no valid report ({error.error_count()} faults)") from None


def short(why: str) -> str:
    """`why` as a report may carry it."""
    return one_line(why, _MAX_WHY_CHARACTERS)
