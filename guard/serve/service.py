"""What the HTTP and WebSocket interfaces ask of the running guard, and the values they exchange.

The monitor implements `GuardService` and reports through the `EventHub` it is given. Every method is called on the
event loop's thread and must return at once; the asynchronous ones may wait for the template store. They raise
`GuardError`s, which the server turns into problem details with the right status.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Protocol

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from guard.config import NAME_PATTERN
from guard.serve.events import EngineInfo, ParticipantSnapshot, SourceSnapshot

Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
"""A call, a participant or a template. No leading dot: `.` and `..` would be swallowed in a URL's path."""


class _Value(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Limits(_Value):
    """What this guard takes on, and what it needs."""

    max_participants: int
    enrolment_seconds: float = Field(description="Usable video that an enrolment needs")
    thumbnails: bool = Field(description="True where live pictures are switched on")
    person_models: bool = Field(
        False,
        description="True where a model of the face is learnt of those whose text_version ends with +person-model",
    )


class Thresholds(_Value):
    """Where the state changes, in nats of accumulated evidence."""

    verified_enter: float
    verified_leave: float
    mismatch_enter: float
    mismatch_leave: float
    evidence_limit: float = Field(description="Evidence stays within plus and minus this")


class StatusReport(_Value):
    """The running guard at a glance."""

    version: str
    engine: EngineInfo
    uptime_seconds: float = Field(ge=0)
    participants: int = Field(ge=0, description="Connected now, over all calls")
    limits: Limits
    thresholds: Thresholds


class CallSnapshot(_Value):
    """A call that has, or lately had, participants."""

    call: str
    participants: int = Field(ge=0, description="Connected now")


class Consent(_Value):
    """What the person to be enrolled agreed to."""

    statement: str = Field(min_length=1, max_length=4000, description="The text that was agreed to, word for word")
    given_by: str = Field(min_length=1, max_length=200, description="Who agreed")
    text_version: str = Field(min_length=1, max_length=64, description="Version of the text")


class TemplateInfo(_Value):
    """An enrolled person, without the template itself."""

    name: str
    created: datetime
    expires: datetime = Field(description="Erased at this time")
    model_sha256: str = Field(description="Engine that made it")
    usable: bool = Field(description="False where it belongs to another engine than the running one")
    consent_given_by: str
    consent_text_version: str
    witnesses: list[str] = Field(default_factory=list, description="Which witnesses have a part in it, by name")


class GuardService(Protocol):
    """The running guard, as its interfaces see it."""

    def status(self) -> StatusReport: ...

    def calls(self) -> list[CallSnapshot]: ...

    def participants(self, call: str) -> list[ParticipantSnapshot]:
        """Everybody connected to this call; empty for a call nobody is in."""

    def sources(self) -> list[SourceSnapshot]:
        """The calls that the guard joins by itself, in the order of the settings."""

    def start_enrolment(self, call: str, participant: str, name: str, consent: Consent) -> ParticipantSnapshot:
        """Collect a template from the live video of this participant and seat them as `name` when it is done.

        Progress and outcome come as participant events. Raises NotInCallError, EnrolmentBusyError where one is
        running already, EnrolmentError where it cannot start.
        """

    def cancel_enrolment(self, call: str, participant: str) -> None:
        """Stop a running enrolment and forget what it collected; harmless where none runs. Raises NotInCallError."""

    async def set_seat(self, call: str, participant: str, name: str | None) -> ParticipantSnapshot:
        """Compare this participant with the template `name` from now on; None compares with nobody.

        Raises NotInCallError, UnknownNameError, StoreError.
        """

    async def templates(self) -> list[TemplateInfo]:
        """Who is enrolled, by name. Raises StoreError."""

    async def delete_template(self, name: str) -> None:
        """Erase a template and clear every seat that uses it. Raises UnknownNameError, StoreError."""

    def thumbnail(self, call: str, participant: str) -> bytes | None:
        """A small JPEG of what this participant sends; None where pictures are switched off or there is none yet.

        Raises NotInCallError.
        """

    def witness_picture(self, witness: str, picture: str) -> bytes | None:
        """The PNG of a facial movement out of a witness's folder; None where there is none of that name."""
