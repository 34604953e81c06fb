"""The REST interface keeps what its OpenAPI description promises."""

from __future__ import annotations

from typing import Any

import schemathesis
from hypothesis import HealthCheck, settings
from pydantic import SecretStr
from schemathesis.checks import CheckFunction, not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from guard.config import ServerConfig
from guard.serve.app import create_app
from guard.serve.hub import EventHub
from tests.guard.serve.scripted_guard import BEARER, TOKEN, ScriptedGuard

HEADERS = {**BEARER, "Host": "localhost"}
schema = schemathesis.openapi.from_asgi(
    "/openapi.json",
    create_app(ScriptedGuard(), EventHub(10, 8), ServerConfig(token=SecretStr(TOKEN))),
    headers=HEADERS,
)
CHECKS: list[CheckFunction] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


@schema.parametrize()
@settings(max_examples=15, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
def test_the_api_keeps_its_own_description(case: schemathesis.Case[Any]) -> None:
    """Generated requests, valid and not: never a server error, always what OpenAPI promises."""
    case.call_and_validate(headers=HEADERS, checks=CHECKS)
