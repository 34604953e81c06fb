"""The REST interface of the running guard."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Path, Response
from fastapi.security import HTTPBearer
from pydantic import BaseModel, ConfigDict

from guard.serve.access import TICKET_SECONDS, Tickets
from guard.serve.events import ParticipantSnapshot, SourceSnapshot
from guard.serve.problems import problem_responses
from guard.serve.service import CallSnapshot, Consent, GuardService, Name, StatusReport, TemplateInfo

WITNESS_PATTERN = r"^[a-z][a-z0-9_]{0,39}$"
PICTURE_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}\.png$"

CallName = Annotated[Name, Path(description="Name of the call")]
ParticipantName = Annotated[Name, Path(description="Name of the participant")]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class EnrolmentRequest(_Body):
    """Who is to be enrolled, and what they agreed to."""

    name: Name
    consent: Consent


class SeatRequest(_Body):
    """Whom a participant is compared with."""

    template: Name


class Ticket(_Body):
    """A single-use pass for one WebSocket connection: `/ws/{call}?ticket=...`."""

    ticket: str
    expires_seconds: float


def api_router(service: GuardService, tickets: Tickets) -> APIRouter:
    """Every route below `/api`. The token is checked before (`guard.serve.gate`); here it is only documented."""
    router = APIRouter(
        prefix="/api",
        dependencies=[Depends(HTTPBearer(auto_error=False))],
        responses=problem_responses(400, 401, 411, 413, 422),
    )
    _add_status(router, service, tickets)
    _add_participants(router, service)
    _add_templates(router, service)
    _add_witnesses(router, service)
    return router


def _add_status(router: APIRouter, service: GuardService, tickets: Tickets) -> None:
    @router.get("/status")
    async def status() -> StatusReport:
        """Version, engine, limits and thresholds."""
        return service.status()

    @router.post("/tickets", status_code=201)
    async def issue_ticket() -> Ticket:
        """A pass for one WebSocket connection, for browsers, which cannot send the token there."""
        return Ticket(ticket=tickets.issue(), expires_seconds=TICKET_SECONDS)

    @router.get("/calls")
    async def calls() -> list[CallSnapshot]:
        """Calls with participants."""
        return service.calls()

    @router.get("/sources")
    async def sources() -> list[SourceSnapshot]:
        """The calls that the guard joins by itself, and how far it has got with each."""
        return service.sources()

    @router.get("/calls/{call}/participants")
    async def participants(call: CallName) -> list[ParticipantSnapshot]:
        """Where everybody in a call stands; empty for a call nobody is in."""
        return service.participants(call)


def _add_participants(router: APIRouter, service: GuardService) -> None:
    seat = "/calls/{call}/participants/{participant}"

    @router.post(f"{seat}/enrolment", status_code=202, responses=problem_responses(404, 409))
    async def start_enrolment(
        call: CallName, participant: ParticipantName, request: EnrolmentRequest
    ) -> ParticipantSnapshot:
        """Enrol this participant from the live video. Progress and outcome come as events."""
        return service.start_enrolment(call, participant, request.name, request.consent)

    @router.delete(f"{seat}/enrolment", status_code=204, responses=problem_responses(404))
    async def cancel_enrolment(call: CallName, participant: ParticipantName) -> None:
        """Stop a running enrolment and forget what it collected."""
        service.cancel_enrolment(call, participant)

    @router.put(f"{seat}/seat", responses=problem_responses(404, 503))
    async def take_seat(call: CallName, participant: ParticipantName, request: SeatRequest) -> ParticipantSnapshot:
        """Compare this participant with an enrolled template from now on."""
        return await service.set_seat(call, participant, request.template)

    @router.delete(f"{seat}/seat", responses=problem_responses(404, 503))
    async def clear_seat(call: CallName, participant: ParticipantName) -> ParticipantSnapshot:
        """Compare this participant with nobody."""
        return await service.set_seat(call, participant, None)

    @router.get(
        f"{seat}/thumbnail",
        response_class=Response,
        responses={200: {"description": "A small picture", "content": {"image/jpeg": {}}}, **problem_responses(404)},
    )
    async def thumbnail(call: CallName, participant: ParticipantName) -> Response:
        """What this participant sends just now, where pictures are switched on (`server.thumbnails`)."""
        jpeg = service.thumbnail(call, participant)
        if jpeg is None:
            raise HTTPException(404, f"there is no picture of {participant!r}: switched off, or no frame yet")
        return Response(jpeg, media_type="image/jpeg")


def _add_templates(router: APIRouter, service: GuardService) -> None:
    @router.get("/templates", responses=problem_responses(503))
    async def templates() -> list[TemplateInfo]:
        """Who is enrolled."""
        return await service.templates()

    @router.delete("/templates/{name}", status_code=204, responses=problem_responses(404, 503))
    async def delete_template(name: Annotated[Name, Path(description="Name of the template")]) -> None:
        """Erase a template for good and clear every seat that uses it."""
        await service.delete_template(name)


def _add_witnesses(router: APIRouter, service: GuardService) -> None:
    @router.get(
        "/witnesses/{witness}/pictures/{picture}",
        response_class=Response,
        responses={200: {"description": "A picture", "content": {"image/png": {}}}, **problem_responses(404)},
    )
    async def witness_picture(
        witness: Annotated[str, Path(description="Name of the witness", pattern=WITNESS_PATTERN)],
        picture: Annotated[str, Path(description="Name of the picture", pattern=PICTURE_PATTERN)],
    ) -> Response:
        """A facial movement that a `witnesses` event names, as a small picture."""
        png = service.witness_picture(witness, picture)
        if png is None:
            raise HTTPException(404, f"there is no picture {picture!r} of a witness {witness!r}")
        return Response(png, media_type="image/png")
