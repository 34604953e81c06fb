"""A guard without calls or engine, for tests of its interfaces."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from guard.calls.call_source import SourceState
from guard.errors import EnrolmentBusyError, EnrolmentError, NotInCallError, StoreError, UnknownNameError
from guard.serve.events import EngineInfo, ParticipantSnapshot, SourceSnapshot
from guard.serve.service import CallSnapshot, Consent, Limits, StatusReport, TemplateInfo, Thresholds
from guard.verify.states import DriverState

TOKEN = "a-token-for-tests"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
ENGINE = EngineInfo(
    name="scripted",
    version="1",
    model_sha256="0" * 64,
    backend="onnx",
    precision="fp32",
    device="cpu",
    fallback_reason="no GPU",
    window_frames=64,
    window_seconds=2.1,
)
CREATED = datetime(2026, 11, 21, tzinfo=UTC)

WAITING = SourceSnapshot(
    number=0,
    url="whep://h/room",
    call="main",
    state=SourceState.WAITING,
    attempts=3,
    joins=1,
    why="the server is gone",
    next_attempt=CREATED + timedelta(seconds=30),
)


@dataclass
class ScriptedGuard:
    """A `GuardService` with one call, `main`, in which `alice` sits; `anna` is enrolled."""

    enrolled: set[str] = field(default_factory=lambda: {"anna"})
    seats: dict[str, str | None] = field(default_factory=lambda: {"alice": None})
    enrolling: set[str] = field(default_factory=set)
    picture: bytes | None = None
    store_broken: bool = False
    pictures: dict[tuple[str, str], bytes] = field(default_factory=dict)

    def status(self) -> StatusReport:
        return StatusReport(
            version="0.1.0",
            engine=ENGINE,
            uptime_seconds=1.0,
            participants=len(self.seats),
            limits=Limits(max_participants=8, enrolment_seconds=20, thumbnails=False),
            thresholds=Thresholds(
                verified_enter=3, verified_leave=1, mismatch_enter=-3, mismatch_leave=-1, evidence_limit=6
            ),
        )

    def calls(self) -> list[CallSnapshot]:
        return [CallSnapshot(call="main", participants=len(self.seats))]

    def participants(self, call: str) -> list[ParticipantSnapshot]:
        return [self._snapshot(name) for name in self.seats] if call == "main" else []

    def sources(self) -> list[SourceSnapshot]:
        return [WAITING]

    def start_enrolment(self, call: str, participant: str, name: str, consent: Consent) -> ParticipantSnapshot:
        self._check(call, participant)
        if participant in self.enrolling:
            raise EnrolmentBusyError(f"{participant} is being enrolled already; wait or cancel it")
        if consent.given_by == "nobody":
            raise EnrolmentError("nobody gave consent; ask the person")
        self.enrolling.add(participant)
        return self._snapshot(participant)

    def cancel_enrolment(self, call: str, participant: str) -> None:
        self._check(call, participant)
        self.enrolling.discard(participant)

    async def set_seat(self, call: str, participant: str, name: str | None) -> ParticipantSnapshot:
        self._check(call, participant)
        if name is not None and name not in self.enrolled:
            raise UnknownNameError(f"nobody is enrolled as {name!r}; enrol them first")
        self.seats[participant] = name
        return self._snapshot(participant)

    async def templates(self) -> list[TemplateInfo]:
        self._check_store()
        return [
            TemplateInfo(
                name=name,
                created=CREATED,
                expires=CREATED + timedelta(days=30),
                model_sha256="0" * 64,
                usable=True,
                consent_given_by=name,
                consent_text_version="1",
            )
            for name in sorted(self.enrolled)
        ]

    async def delete_template(self, name: str) -> None:
        self._check_store()
        if name not in self.enrolled:
            raise UnknownNameError(f"nobody is enrolled as {name!r}")
        self.enrolled.discard(name)

    def thumbnail(self, call: str, participant: str) -> bytes | None:
        self._check(call, participant)
        return self.picture

    def witness_picture(self, witness: str, picture: str) -> bytes | None:
        return self.pictures.get((witness, picture))

    def _check(self, call: str, participant: str) -> None:
        if call != "main" or participant not in self.seats:
            raise NotInCallError(f"{participant!r} is not in call {call!r}")

    def _check_store(self) -> None:
        if self.store_broken:
            raise StoreError("the template store cannot be written: the disk is full; free some space")

    def _snapshot(self, participant: str) -> ParticipantSnapshot:
        return ParticipantSnapshot(
            participant=participant,
            state=DriverState.UNENROLLED,
            why="nobody is enrolled for this seat",
            enrolled_as=self.seats[participant],
            enrolment_progress=0.0 if participant in self.enrolling else None,
            thumbnail=self.picture is not None,
        )


def source() -> dict[str, object]:
    """Fields of a source event."""
    return {"type": "source", "source": WAITING}


def alert(reason: str) -> dict[str, object]:
    """Fields of an alert event."""
    return {"type": "alert", "severity": "critical", "reason": reason, "evidence_id": "e1"}


def health(received_frames: int) -> dict[str, object]:
    """Fields of a health event."""
    return {
        "type": "health",
        "received_frames": received_frames,
        "dropped_frames": 0,
        "breaks": 0,
        "queue_frames": 0,
        "engine_lag_ms": 1.0,
    }


def score(why: str = "") -> dict[str, object]:
    """Fields of a score event."""
    return {
        "type": "score",
        "pts_seconds": 3.2,
        "llr": 0.7,
        "evidence": 4.1,
        "similarity": 0.6,
        "state": "verified",
        "why": why,
        "valid_fraction": 1.0,
        "fps": 29.8,
        "latency": {"total_ms": 40.0, "queue_ms": 1.0, "pixels_ms": 2.0, "engine_ms": 36.0, "verify_ms": 1.0},
    }


def witnesses() -> dict[str, object]:
    """Fields of a witnesses event."""
    return {
        "type": "witnesses",
        "witnesses": [
            {"name": "f5c", "llr": 1.2, "why": None, "age_seconds": 0.0, "weight": 1.0},
            {"name": "facial_codes", "llr": None, "why": "no face tracked for 3 s", "age_seconds": 3.1, "weight": 0.0},
        ],
        "fused_llr": 1.4,
        "fused_seconds": 5.1,
        "movements": [
            {
                "token": 7,
                "words": "left brow rises",
                "picture": "/api/witnesses/facial_codes/pictures/7.png",
                "direction": "more",
                "share": 0.2,
                "limits": "",
            }
        ],
    }


def engine() -> dict[str, object]:
    """Fields of an engine event."""
    return {"type": "engine", "engine": ENGINE}
