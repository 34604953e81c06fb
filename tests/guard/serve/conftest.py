"""The real server on a scripted guard."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from guard.config import ServerConfig
from guard.serve.app import create_app
from guard.serve.hub import EventHub
from guard.serve.run import RunningServer, serve
from tests.guard.serve.scripted_guard import BEARER, TOKEN, ScriptedGuard


@pytest.fixture
def guard_service() -> ScriptedGuard:
    return ScriptedGuard()


@pytest.fixture
def server_config() -> ServerConfig:
    return ServerConfig(port=0, token=SecretStr(TOKEN), history_events=50, viewer_queue_events=8)


@pytest.fixture
def hub(server_config: ServerConfig) -> EventHub:
    return EventHub(server_config.history_events, server_config.viewer_queue_events)


@pytest.fixture
def app(guard_service: ScriptedGuard, hub: EventHub, server_config: ServerConfig) -> FastAPI:
    return create_app(guard_service, hub, server_config)


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Talks to the application without a socket, with the right token."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=BEARER) as client:
        yield client


@pytest.fixture
async def server(app: FastAPI, server_config: ServerConfig) -> AsyncIterator[RunningServer]:
    """The application on a real loopback port."""
    async with serve(app, server_config) as server:
        yield server
