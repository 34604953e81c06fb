"""Event schema, version 1: what goes over the WebSocket, into webhooks and into `guard watch`.

Every event is one JSON object: the envelope `v, type, seq, time, call, participant` and the fields of its type.
`seq` is strictly increasing within a call, also when the server is restarted; it does not start at 1. A client that
reconnects gives its last `seq` and gets what it missed. A gap in `seq` means that the viewer was slow and scores,
second opinions or health reports were left out for it; changes of state, engine or source, participants and alerts
never are.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from guard.calls.call_source import SourceState
from guard.verify.states import AbstainReason, DriverState

SCHEMA_VERSION = 1


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class EngineInfo(_Message):
    """The engine that computes the scores."""

    name: str
    version: str
    model_sha256: str
    backend: str
    precision: str
    device: str
    fallback_reason: str | None = Field(description="Why a faster backend is not in use")
    window_frames: int
    window_seconds: float


class LatencyBreakdown(_Message):
    """Milliseconds from the arrival of the newest frame to the sending of this score, by stage."""

    total_ms: float
    queue_ms: float = Field(description="Decoded frame waiting to be taken")
    pixels_ms: float = Field(description="Face, crop and resize")
    engine_ms: float = Field(description="Waiting for the tick and computing the embedding")
    verify_ms: float = Field(description="Comparison and decision")


_AbstainReason = Annotated[
    AbstainReason | None, Field(description="Why there is no verdict; null in every state but abstain")
]


class SourceSnapshot(_Message):
    """A call that the guard joins by itself, and how far it has got."""

    number: int = Field(ge=0, description="Its place in the settings (calls.sources), from 0")
    url: str = Field(description="Where it is, without user, password and query")
    call: str = Field(description="Under which name its participants are found here")
    state: SourceState
    attempts: int = Field(ge=0, description="To join, since the start")
    joins: int = Field(ge=0, description="Attempts that were successful")
    why: str | None = Field(description="Why it is waiting, has failed, or is over; else null")
    next_attempt: datetime | None = Field(description="While waiting: when it tries again; else null")


class _Event(_Message):
    v: Literal[1] = 1
    seq: int = Field(ge=1, description="Strictly increasing within a call")
    time: datetime = Field(description="RFC 3339, UTC")
    call: str
    participant: str | None = Field(description="None where the event concerns the whole call")


class HelloEvent(_Event):
    """First message of every connection.

    Where `resumed_from` is a number, everything after it follows, with smaller `seq` than this message where it had
    been missed; 0 stands for a client that has seen nothing and gets everything that is still kept. Where it is null
    the client starts anew from `participants` and goes on from this message's `seq`.
    """

    type: Literal["hello"] = "hello"
    seq: int = Field(ge=0, description="Newest seq of the call so far")
    server_version: str
    engine: EngineInfo
    resumed_from: int | None = Field(description="The client's last seq, if everything since is delivered; else null")
    participants: list[ParticipantSnapshot]
    sources: list[SourceSnapshot] = Field(description="Of this call, as they are now; later news come as events")


class ParticipantSnapshot(_Message):
    """Where a participant stands now."""

    participant: str
    state: DriverState
    abstain_reason: _AbstainReason = None
    why: str
    enrolled_as: str | None = Field(description="Name of the template this seat is compared with")
    enrolment_progress: float | None = Field(ge=0, le=1, description="Of a running enrolment; null when none runs")
    thumbnail: bool = Field(description="True where a live picture may be fetched")


class ParticipantEvent(_Event):
    """Someone joined, left, or was enrolled."""

    type: Literal["participant"] = "participant"
    action: Literal["joined", "left", "enrolling", "enrolled", "enrolment_failed", "seat_cleared"]
    why: str = ""
    enrolled_as: str | None = None
    enrolment_progress: float | None = Field(default=None, ge=0, le=1)


class ScoreEvent(_Event):
    """The rolling verification score."""

    type: Literal["score"] = "score"
    pts_seconds: float = Field(description="Media time of the newest frame of the window")
    llr: float | None = Field(
        description="Calibrated log-likelihood ratio of this window, in nats; null without a verdict"
    )
    evidence: float = Field(description="Accumulated, discounted evidence, in nats")
    similarity: float | None = Field(description="Cohort-normalised comparison score of this window")
    state: DriverState
    abstain_reason: _AbstainReason = None
    why: str = ""
    valid_fraction: float = Field(ge=0, le=1)
    fps: float = Field(ge=0)
    latency: LatencyBreakdown | None


class StateEvent(_Event):
    """The state has changed."""

    type: Literal["state"] = "state"
    previous: DriverState
    state: DriverState
    abstain_reason: _AbstainReason = None
    why: str


class AlertEvent(_Event):
    """Someone should look."""

    type: Literal["alert"] = "alert"
    severity: Literal["warning", "critical"]
    reason: str
    abstain_reason: Annotated[
        AbstainReason | None, Field(description="Why there is no verdict, where the alert is about that; else null")
    ] = None
    evidence_id: str = Field(description="Names this alert in logs and evidence")


class WitnessOpinion(_Message):
    """What one of those who are heard says: the engine ("f5c"), or a witness beside it."""

    name: str
    llr: float | None = Field(
        description="Calibrated log-likelihood ratio of its newest window, in nats; positive speaks for the enrolled "
        "driver; null where it says nothing"
    )
    why: str | None = Field(
        description="Why it says nothing, or why what it says does not count, for people; null where it counts"
    )
    age_seconds: float | None = Field(ge=0, description="Since the end of its newest window; null where there is none")
    weight: float = Field(ge=0, description="What its llr is multiplied with; 0 where it does not count")


class MovementDifference(_Message):
    """A facial movement that is seen more or less often than when the driver was enrolled."""

    token: int = Field(ge=0, description="Its number in the witness's code")
    words: str = Field(description="What moves, for people")
    picture: str = Field(description="Path of a picture of the movement on this server; needs the token as all of /api")
    direction: Literal["more", "less"]
    share: float = Field(ge=0, le=1, description="Of the whole difference between this video and the template")
    limits: str = Field(description="What to bear in mind about it; may be empty")


class WitnessesEvent(_Event):
    """Second opinions, about once a second per participant; only where witnesses are switched on."""

    type: Literal["witnesses"] = "witnesses"
    witnesses: list[WitnessOpinion] = Field(description="The engine first")
    fused_llr: float | None = Field(
        description="What all that count say together, in nats of fused_seconds of video; null where no witness counts"
    )
    fused_seconds: float | None = Field(description="Video that fused_llr speaks for; null where it is null")
    movements: list[MovementDifference] = Field(max_length=5, description="Largest share first")


class HealthEvent(_Event):
    """How the guard itself is doing, about once a second per participant."""

    type: Literal["health"] = "health"
    received_frames: int
    dropped_frames: int
    breaks: int
    queue_frames: int
    engine_lag_ms: float


class EngineEvent(_Event):
    """Another backend computes from now on, since the one before failed; every window starts anew."""

    type: Literal["engine"] = "engine"
    engine: EngineInfo


class SourceEvent(_Event):
    """A call that the guard joins by itself was joined, lost or given up, or is tried again."""

    type: Literal["source"] = "source"
    source: SourceSnapshot


class ClientPing(_Message):
    """The only message that a client may send: asks for a `pong`, so that a browser can tell a dead connection."""

    type: Literal["ping"]


class Pong(_Message):
    """The answer to a client's ping. No event: it has no `seq` and belongs to the connection only."""

    type: Literal["pong"] = "pong"


LiveEvent = Annotated[
    ParticipantEvent | ScoreEvent | StateEvent | AlertEvent | WitnessesEvent | HealthEvent | EngineEvent | SourceEvent,
    Field(discriminator="type"),
]
Event = Annotated[
    HelloEvent
    | ParticipantEvent
    | ScoreEvent
    | StateEvent
    | AlertEvent
    | WitnessesEvent
    | HealthEvent
    | EngineEvent
    | SourceEvent,
    Field(discriminator="type"),
]
HelloEvent.model_rebuild()
LIVE_EVENT_ADAPTER: TypeAdapter[LiveEvent] = TypeAdapter(LiveEvent)
EVENT_ADAPTER: TypeAdapter[Event] = TypeAdapter(Event)
