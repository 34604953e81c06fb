"""The REST interface: what it answers, whom it refuses, and how errors look."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from guard.config import ServerConfig
from guard.serve.app import create_app
from guard.serve.events import SourceSnapshot
from guard.serve.gate import MAX_JSON_BYTES
from guard.serve.hub import EventHub
from guard.serve.service import StatusReport
from tests.guard.serve.scripted_guard import BEARER, TOKEN, WAITING, ScriptedGuard

ALICE = "/api/calls/main/participants/alice"
CONSENT = {"statement": "I agree to a motion template.", "given_by": "Anna", "text_version": "1"}
ENROLMENT = {"name": "anna", "consent": CONSENT}


def problem(response: httpx.Response) -> tuple[int, str]:
    """Status and detail of an answer that must be a problem of one line."""
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert set(body) == {"title", "status", "detail"}
    assert body["status"] == response.status_code
    assert "\n" not in body["detail"]
    return response.status_code, body["detail"]


async def test_status(client: httpx.AsyncClient, guard_service: ScriptedGuard) -> None:
    response = await client.get("/api/status")
    assert StatusReport.model_validate(response.json()) == guard_service.status()
    assert response.headers["cache-control"] == "no-store"


async def test_sources_are_listed(client: httpx.AsyncClient) -> None:
    (source,) = (await client.get("/api/sources")).json()
    assert SourceSnapshot.model_validate(source) == WAITING
    assert source["state"] == "waiting"


async def test_enrolment_runs_once_and_can_be_cancelled(client: httpx.AsyncClient) -> None:
    started = await client.post(f"{ALICE}/enrolment", json=ENROLMENT)
    assert (started.status_code, started.json()["enrolment_progress"]) == (202, 0.0)
    assert problem(await client.post(f"{ALICE}/enrolment", json=ENROLMENT))[0] == 409
    assert (await client.delete(f"{ALICE}/enrolment")).status_code == 204
    assert (await client.get("/api/calls/main/participants")).json()[0]["enrolment_progress"] is None


async def test_a_seat_is_taken_and_cleared(client: httpx.AsyncClient) -> None:
    assert (await client.put(f"{ALICE}/seat", json={"template": "anna"})).json()["enrolled_as"] == "anna"
    assert (await client.delete(f"{ALICE}/seat")).json()["enrolled_as"] is None


async def test_templates_are_listed_and_erased(client: httpx.AsyncClient) -> None:
    assert [template["name"] for template in (await client.get("/api/templates")).json()] == ["anna"]
    assert (await client.delete("/api/templates/anna")).status_code == 204
    assert (await client.get("/api/templates")).json() == []


async def test_pictures_of_movements_come_from_the_witness_and_from_nowhere_else(
    client: httpx.AsyncClient, guard_service: ScriptedGuard
) -> None:
    guard_service.pictures["facial_codes", "7.png"] = b"\x89PNG..."
    response = await client.get("/api/witnesses/facial_codes/pictures/7.png")
    assert (response.status_code, response.headers["content-type"]) == (200, "image/png")
    assert response.content == b"\x89PNG..."
    for path in ("facial_codes/pictures/8.png", "nobody/pictures/7.png"):
        assert problem(await client.get(f"/api/witnesses/{path}"))[0] == 404
    for path in ("facial_codes/pictures/..%2F7.png", "facial_codes/pictures/7.json", "..%2Fx/pictures/7.png"):
        assert (await client.get(f"/api/witnesses/{path}")).status_code in (404, 422)
    without = await client.get("/api/witnesses/facial_codes/pictures/7.png", headers={"Authorization": ""})
    assert without.status_code == 401


async def test_thumbnails_are_there_only_when_switched_on(
    client: httpx.AsyncClient, guard_service: ScriptedGuard
) -> None:
    assert problem(await client.get(f"{ALICE}/thumbnail"))[0] == 404
    guard_service.picture = b"\xff\xd8\xff\xd9"
    response = await client.get(f"{ALICE}/thumbnail")
    assert (response.content, response.headers["content-type"]) == (b"\xff\xd8\xff\xd9", "image/jpeg")


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "says"),
    [
        ("POST", "/api/calls/main/participants/bob/enrolment", ENROLMENT, 404, "not in call"),
        ("POST", "/api/calls/other/participants/alice/enrolment", ENROLMENT, 404, "not in call"),
        ("POST", f"{ALICE}/enrolment", {**ENROLMENT, "consent": {**CONSENT, "given_by": "nobody"}}, 422, "consent"),
        ("POST", f"{ALICE}/enrolment", {"name": "anna"}, 422, "body.consent"),  # nothing without consent
        ("POST", f"{ALICE}/enrolment", {**ENROLMENT, "name": "../anna"}, 422, "body.name"),  # a path, no name
        ("POST", f"{ALICE}/enrolment", {**ENROLMENT, "force": True}, 422, "body.force"),  # unknown field
        ("POST", f"{ALICE}/enrolment", [], 422, "body"),  # no object
        ("PUT", f"{ALICE}/seat", {"template": "zoe"}, 404, "nobody is enrolled"),
        ("PUT", f"{ALICE}/seat", {"template": None}, 422, "body.template"),  # clearing is DELETE
        ("DELETE", "/api/templates/zoe", None, 404, "nobody is enrolled"),
        ("DELETE", f"/api/templates/{'x' * 65}", None, 422, "path.name"),  # longer than a name may be
        ("GET", "/api/calls/a%20b/participants", None, 422, "path.call"),  # blank in a name
        ("GET", "/api/nothing", None, 404, "Not Found"),
        ("PATCH", "/api/status", None, 405, "Method Not Allowed"),
    ],
)
async def test_bad_requests_get_one_clear_line(
    client: httpx.AsyncClient, method: str, path: str, body: object, status: int, says: str
) -> None:
    got, detail = problem(await client.request(method, path, json=body))
    assert got == status
    assert says in detail


async def test_garbage_instead_of_json_is_refused(client: httpx.AsyncClient) -> None:
    for garbage in (b"{", b"\xff\xfe", b'{"name": "' + b"[" * 10_000):
        response = await client.post(
            f"{ALICE}/enrolment", content=garbage, headers={"Content-Type": "application/json"}
        )
        assert problem(response)[0] == 422


async def test_a_body_without_an_end_or_too_large_is_refused_unread(client: httpx.AsyncClient) -> None:
    async def endless() -> Any:
        yield b"x"
        pytest.fail("the server read the body")

    large = await client.post(f"{ALICE}/enrolment", content=b"x" * (MAX_JSON_BYTES + 1))
    assert problem(large)[0] == 413
    assert problem(await client.post(f"{ALICE}/enrolment", content=endless()))[0] == 411


async def test_a_broken_store_is_said_and_outlived(client: httpx.AsyncClient, guard_service: ScriptedGuard) -> None:
    guard_service.store_broken = True
    response = await client.get("/api/templates")
    assert problem(response) == (503, "the template store cannot be written: the disk is full; free some space")
    assert response.headers["retry-after"] == "5"
    guard_service.store_broken = False
    assert (await client.get("/api/templates")).status_code == 200


async def test_an_unexpected_error_shows_no_internals(
    client: httpx.AsyncClient, guard_service: ScriptedGuard, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> StatusReport:
        raise RuntimeError("secret internals")

    monkeypatch.setattr(guard_service, "status", broken)
    status, detail = problem(await client.get("/api/status"))
    assert status == 500
    assert "secret" not in detail


@pytest.mark.parametrize("header", [None, "Bearer wrong", "Basic " + TOKEN, TOKEN])
async def test_everything_but_the_open_routes_needs_the_token(app: FastAPI, header: str | None) -> None:
    transport = httpx.ASGITransport(app)
    headers = {} if header is None else {"Authorization": header}
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=headers) as stranger:
        for path, operations in app.openapi()["paths"].items():
            for method in operations:
                response = await stranger.request(method, path.replace("{", "").replace("}", ""))
                if path == "/healthz" or path.startswith("/schema/"):
                    assert response.status_code == 200
                else:
                    assert problem(response)[0] == 401
                    assert response.headers["www-authenticate"] == "Bearer"
        assert (await stranger.get("/openapi.json")).status_code == 401
        garbage = await stranger.post(f"{ALICE}/enrolment", content=b"{" * MAX_JSON_BYTES)
        assert problem(garbage)[0] == 401  # and not what is wrong with the body


async def test_other_host_names_are_refused(app: FastAPI) -> None:
    """A page of evil.example that has rebound its name to 127.0.0.1 sends this Host."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), headers=BEARER) as client:
        for host, status in (("evil.example:8734", 400), ("localhost:8734", 200), ("[::1]:8734", 200)):
            assert (await client.get("http://localhost/api/status", headers={"Host": host})).status_code == status


async def test_only_named_origins_get_cors_headers(guard_service: ScriptedGuard, hub: EventHub) -> None:
    friend, stranger = "https://calls.example.org", "https://evil.example.org"
    config = ServerConfig(token=SecretStr(TOKEN), origins=(friend,))
    transport = httpx.ASGITransport(create_app(guard_service, hub, config))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        preflight = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "authorization"}
        allowed = await client.options(f"{ALICE}/seat", headers={"Origin": friend, **preflight})
        assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (200, friend)
        assert "access-control-allow-credentials" not in allowed.headers
        refused = await client.options(f"{ALICE}/seat", headers={"Origin": stranger, **preflight})
        assert "access-control-allow-origin" not in refused.headers


async def test_security_headers_are_on_every_answer(client: httpx.AsyncClient) -> None:
    for path in ("/", "/api/status", "/api/nothing", "/healthz"):
        headers = (await client.get(path)).headers
        assert "script-src 'self'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["permissions-policy"].startswith("camera=(self)")
        assert "set-cookie" not in headers
