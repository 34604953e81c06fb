"""Starting and stopping the real server, and the dashboard's pages."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from guard.config import ServerConfig
from guard.errors import ConfigError
from guard.serve import run
from guard.serve.pages import add_pages
from guard.serve.run import RunningServer, serve
from tests.guard.serve.scripted_guard import BEARER

SLOW_BODY = (
    "POST /api/calls/main/participants/ann/enrolment HTTP/1.1\r\nHost: localhost\r\n"
    f"Authorization: {BEARER['Authorization']}\r\n"
    "Content-Type: application/json\r\nContent-Length: 9\r\n\r\n{"
).encode()


async def test_port_0_takes_a_free_port_that_is_told(server: RunningServer) -> None:
    async with httpx.AsyncClient(base_url=server.url) as client:
        response = await client.get("/healthz")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})
    assert server.port > 0
    assert "server" not in response.headers


async def test_a_taken_port_is_one_clear_line(server: RunningServer, app: FastAPI) -> None:
    taken = ServerConfig(port=server.port)
    with pytest.raises(ConfigError, match=rf"cannot listen on 127\.0\.0\.1:{server.port}: .*choose another"):
        async with serve(app, taken):
            pytest.fail("two servers on one port")


async def test_a_host_that_is_not_ours_is_one_clear_line(app: FastAPI) -> None:
    for host in ("192.0.2.1", "no-such-host.invalid"):
        with pytest.raises(ConfigError, match=f"cannot listen on {host}"):
            async with serve(app, ServerConfig(host=host, port=0)):
                pytest.fail("bound to an address of somebody else")


async def test_stop_ends_wait_and_frees_the_port(app: FastAPI, server_config: ServerConfig) -> None:
    async with serve(app, server_config) as server:
        server.stop()
        await server.wait()
    async with serve(app, server_config.model_copy(update={"port": server.port})) as again:
        assert again.port == server.port


async def test_an_error_inside_stops_the_server_and_comes_through(app: FastAPI, server_config: ServerConfig) -> None:
    with pytest.raises(LookupError):
        async with serve(app, server_config) as server:
            raise LookupError("from the program around it")
    await server.wait()


def test_the_protocol_hooks_exist() -> None:
    """Our two protocols build on these; an update of uvicorn that drops them must not go unseen."""
    for name in ("run_asgi", "keepalive_timeout", "send"):
        assert callable(getattr(WebSocketsSansIOProtocol, name))
    for name in ("connection_made", "connection_lost", "handle_websocket_upgrade", "on_response_complete"):
        assert callable(getattr(H11Protocol, name))


@pytest.mark.parametrize("sent", [b"", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX", SLOW_BODY])
async def test_a_request_that_does_not_come_whole_is_cut(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    """uvicorn would wait for ever: some hundred of these, and nobody's media gets a socket any more."""
    monkeypatch.setattr(run, "REQUEST_SECONDS", 0.2)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(sent)
    async with asyncio.timeout(20):
        with suppress(ConnectionError):
            assert await reader.read() == b""
    writer.close()


async def test_a_connection_too_many_is_cut(server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "MAX_CONNECTIONS", 1)
    _, kept = await asyncio.open_connection("127.0.0.1", server.port)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    async with asyncio.timeout(20):
        with suppress(ConnectionError):
            assert await reader.read() == b""
    kept.close()
    writer.close()


async def test_a_connection_may_be_used_again(server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The time for a request begins anew with each of them."""
    monkeypatch.setattr(run, "REQUEST_SECONDS", 0.5)
    async with httpx.AsyncClient(base_url=server.url) as client:
        for _ in range(8):
            assert (await client.get("/healthz")).status_code == 200
            await asyncio.sleep(0.1)


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """What Vite leaves behind, in small."""
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("<title>dashboard</title>")
    (tmp_path / "assets" / "main-1a2b.js").write_text("0")
    return tmp_path


async def test_the_built_dashboard_is_served(built: Path) -> None:
    app = FastAPI()
    add_pages(app, built)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
        for path in ("/", "/join", "/join?call=main&name=alice", "/tap?call=main"):
            response = await client.get(path)
            assert response.text == "<title>dashboard</title>"
            assert response.headers["cache-control"] == "no-cache"
        script = await client.get("/assets/main-1a2b.js")
        assert (script.status_code, script.headers["content-type"].split(";")[0]) == (200, "text/javascript")
        for outside in ("/../secret", "/%2e%2e/secret", "/assets/missing.js"):
            assert (await client.get(outside)).status_code == 404


async def test_a_dashboard_that_is_not_built_says_so(tmp_path: Path) -> None:
    app = FastAPI()
    add_pages(app, tmp_path / "absent")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
        response = await client.get("/")
    assert response.status_code == 503
    assert "make setup" in response.text


async def test_pages_need_no_token_but_the_api_does(server: RunningServer) -> None:
    async with httpx.AsyncClient(base_url=server.url) as client:
        assert (await client.get("/")).status_code in {200, 503}  # 503 where it is not built here
        assert (await client.get("/api/status")).status_code == 401
        assert (await client.get("/api/status", headers=BEARER)).status_code == 200
