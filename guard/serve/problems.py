"""Errors as problem details (RFC 9457): one clear line, the right status, never a traceback."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from engines.errors import EngineError
from guard.errors import (
    EnrolmentBusyError,
    EnrolmentError,
    GuardError,
    NotInCallError,
    SignallingError,
    SourceError,
    StoreError,
    UnknownNameError,
)

MEDIA_TYPE = "application/problem+json"
_LOG = logging.getLogger(__name__)

_STATUSES: tuple[tuple[type[Exception], int], ...] = (
    (NotInCallError, 404),
    (UnknownNameError, 404),
    (EnrolmentBusyError, 409),
    (EnrolmentError, 422),
    (SourceError, 422),
    (StoreError, 503),
)


class Problem(BaseModel):
    """What went wrong, after RFC 9457."""

    title: str
    status: int
    detail: str


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that can fail with these statuses, for OpenAPI."""
    content = {MEDIA_TYPE: {"schema": Problem.model_json_schema()}}
    return {status: {"description": HTTPStatus(status).phrase, "content": content} for status in statuses}


def problem_response(status: int, detail: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """A response that carries a problem."""
    problem = Problem(title=HTTPStatus(status).phrase, status=status, detail=detail)
    return JSONResponse(problem.model_dump(), status, headers, MEDIA_TYPE)


def status_of(error: Exception) -> int:
    """The HTTP status that says what kind of error this is; 500 for one that no client can help."""
    if isinstance(error, SignallingError):
        return error.status
    return next((status for kind, status in _STATUSES if isinstance(error, kind)), 500)


def _on_known(_: Request, error: Exception) -> JSONResponse:
    status = status_of(error)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        _LOG.error("%s", error)
    return problem_response(status, str(error), {"Retry-After": "5"} if status == 503 else None)


def _on_http(_: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        raise error
    return problem_response(error.status_code, str(error.detail), dict(error.headers or {}))


def _on_invalid(_: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, RequestValidationError):
        raise error
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return problem_response(422, f"{where}: {first['msg']}")


def _on_unexpected(_: Request, error: Exception) -> JSONResponse:
    _LOG.error("unexpected %s; the request was refused", type(error).__name__, exc_info=error)
    return problem_response(500, "unexpected error; the server's log says more")


def add_problem_handlers(app: FastAPI) -> None:
    """Make `app` answer every error with a problem."""
    app.add_exception_handler(GuardError, _on_known)
    app.add_exception_handler(EngineError, _on_known)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(Exception, _on_unexpected)
