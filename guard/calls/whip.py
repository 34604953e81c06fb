"""The WHIP endpoint (RFC 9725): publishers POST an SDP offer, get an answer, and DELETE their session at the end.

`POST /whip/{call}/{participant}` takes a seat in a call. Candidates are exchanged in full with offer and answer:
there is no trickle ICE and no ICE restart, so PATCH is answered with 405 (RFC 9725 section 4.3).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from typing import Protocol

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from guard.errors import SignallingError

SDP_TYPE = "application/sdp"
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}")
_BODY_SECONDS = 10.0
_RETRY_SECONDS = 5

_BAD_REQUEST = 400
_UNAUTHORISED = 401
_TIMEOUT = 408
_TOO_LARGE = 413
_WRONG_TYPE = 415
_UNAVAILABLE = 503

_TITLES = {
    400: "Bad offer",
    401: "Not authorised",
    404: "No such session",
    406: "No common codec",
    408: "Offer too slow",
    409: "Seat taken",
    413: "Offer too large",
    415: "Wrong content type",
    422: "No usable video",
    503: "Not available",
}
_ERRORS: dict[int | str, dict[str, object]] = {
    status: {"description": title, "content": {"application/problem+json": {}}} for status, title in _TITLES.items()
}

Authorise = Callable[[str], bool]
"""Says whether a bearer token is the right one; compares in constant time."""


class Sink(Protocol):
    """Where accepted publishers go (`guard.calls.whip_sink.WhipSink`)."""

    @property
    def max_offer_bytes(self) -> int: ...

    async def accept(self, call: str, participant: str, offer_sdp: str) -> tuple[str, str]: ...

    async def end(self, call: str, participant: str, session_id: str) -> None: ...


def whip_router(sink: Sink, authorise: Authorise, origins: tuple[str, ...] = ()) -> APIRouter:
    """Make the routes of the endpoint.

    `origins` are the foreign browser origins that may publish; a page of this server needs no entry. Errors are
    answered as application/problem+json with one line of `detail`.
    """
    router = APIRouter(prefix="/whip", tags=["whip"])

    @router.post(
        "/{call}/{participant}",
        status_code=201,
        response_class=Response,
        responses={201: {"description": "SDP answer", "content": {SDP_TYPE: {}}}, **_ERRORS},
        openapi_extra={"requestBody": {"required": True, "content": {SDP_TYPE: {"schema": {"type": "string"}}}}},
    )
    async def publish(call: str, participant: str, request: Request) -> Response:
        """Take a seat in a call: the body is the SDP offer, `Location` names the session to DELETE."""
        cors = _cors(request, origins)
        try:
            _check_token(request, authorise)
            _check_name("call", call)
            _check_name("participant", participant)
            offer_sdp = await _read_offer(request, sink.max_offer_bytes)
            session_id, answer_sdp = await sink.accept(call, participant, offer_sdp)
        except SignallingError as error:
            return _problem(error, cors)
        location = f"{request.url.path}/{session_id}"
        return Response(answer_sdp, status_code=201, media_type=SDP_TYPE, headers={"Location": location, **cors})

    @router.delete("/{call}/{participant}/{session}", response_class=Response, responses=_ERRORS)
    async def unpublish(call: str, participant: str, session: str, request: Request) -> Response:
        """End a session; answers when it is gone."""
        cors = _cors(request, origins)
        try:
            _check_token(request, authorise)
            await sink.end(call, participant, session)
        except SignallingError as error:
            return _problem(error, cors)
        return Response(status_code=200, headers=cors)

    @router.options("/{call}/{participant}", include_in_schema=False)
    @router.options("/{call}/{participant}/{session}", include_in_schema=False)
    async def preflight(request: Request) -> Response:
        return Response(status_code=204, headers={"Accept-Post": SDP_TYPE, **_cors(request, origins)})

    return router


def _check_token(request: Request, authorise: Authorise) -> None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not authorise(token.strip()):
        raise SignallingError("a valid bearer token is needed (Authorization: Bearer ...)", _UNAUTHORISED)


def _check_name(what: str, name: str) -> None:
    if _NAME.fullmatch(name) is None:
        raise SignallingError(
            f"the {what} name must be 1 to 64 letters, digits, '.', '_' or '-', and not begin with '.'", _BAD_REQUEST
        )


async def _read_offer(request: Request, max_bytes: int) -> str:
    """The body as text, read no further than the cap."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != SDP_TYPE:
        raise SignallingError(f"the body must be {SDP_TYPE}", _WRONG_TYPE)
    body = bytearray()
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > max_bytes:
                    raise SignallingError(f"the offer is larger than {max_bytes} bytes", _TOO_LARGE)
        return body.decode()
    except TimeoutError as error:
        raise SignallingError(f"the offer did not arrive within {_BODY_SECONDS:.0f} s", _TIMEOUT) from error
    except UnicodeDecodeError as error:
        raise SignallingError("the offer is not UTF-8 text", _BAD_REQUEST) from error


def _cors(request: Request, origins: tuple[str, ...]) -> dict[str, str]:
    origin = request.headers.get("origin")
    if origin is None or origin not in origins:
        return {}
    return {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Methods": "POST, DELETE, OPTIONS",
        "Access-Control-Allow-Headers": "authorization, content-type",
        "Access-Control-Expose-Headers": "location",
        "Access-Control-Max-Age": "600",
        "Vary": "Origin",
    }


def _problem(error: SignallingError, cors: Mapping[str, str]) -> JSONResponse:
    headers = dict(cors)
    if error.status == _UNAUTHORISED:
        headers["WWW-Authenticate"] = 'Bearer realm="guard"'
    if error.status == _UNAVAILABLE:
        headers["Retry-After"] = str(_RETRY_SECONDS)
    return JSONResponse(
        {"type": "about:blank", "title": _TITLES[error.status], "status": error.status, "detail": str(error)},
        status_code=error.status,
        headers=headers,
        media_type="application/problem+json",
    )
