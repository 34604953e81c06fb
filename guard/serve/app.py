"""The server's application: API, WebSocket, schema and dashboard behind one gate."""

from __future__ import annotations

from collections.abc import Iterable

from fastapi import APIRouter, FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi.middleware.trustedhost import TrustedHostMiddleware
from pydantic import BaseModel

from guard.config import ServerConfig
from guard.serve.access import BearerToken, Tickets, allowed_hosts
from guard.serve.api import api_router
from guard.serve.gate import ApiGate, SecurityHeaders
from guard.serve.hub import EventHub
from guard.serve.pages import add_pages
from guard.serve.problems import add_problem_handlers
from guard.serve.schema import asyncapi_document, events_schema
from guard.serve.service import GuardService
from guard.serve.viewers import Viewers, viewers_router


class Health(BaseModel):
    """The server answers."""

    status: str = "ok"


def create_app(
    service: GuardService, hub: EventHub, config: ServerConfig, routers: Iterable[APIRouter] = ()
) -> FastAPI:
    """Put the server together. `routers` (the WHIP endpoint) check the token themselves.

    Raises ConfigError where `config` holds no token (see `guard.serve.access.with_token`).
    """
    token = BearerToken(config)
    tickets = Tickets()
    app = FastAPI(
        title="guard",
        summary="Driver verification for video calls",
        version=service.status().version,
        docs_url=None,  # the documentation pages load scripts from elsewhere
        redoc_url=None,
    )
    add_problem_handlers(app)
    app.include_router(_open_router())
    app.include_router(api_router(service, tickets))
    app.include_router(viewers_router(Viewers(service, hub, config, token, tickets)))
    for router in routers:
        app.include_router(router)
    add_pages(app)
    _add_gate(app, config, token)
    return app


def _open_router() -> APIRouter:
    """What needs no token."""
    router = APIRouter()

    @router.get("/healthz")
    async def healthz() -> Health:
        """For load balancers and supervisors: answers as long as the event loop runs."""
        return Health()

    @router.get("/schema/events.json")
    async def events() -> dict[str, object]:
        """JSON Schema of the WebSocket events."""
        return events_schema()

    @router.get("/schema/asyncapi.json")
    async def asyncapi() -> dict[str, object]:
        """AsyncAPI description of the WebSocket."""
        return asyncapi_document()

    return router


def _add_gate(app: FastAPI, config: ServerConfig, token: BearerToken) -> None:
    """Middleware; the last one added sees a request first."""
    app.add_middleware(ApiGate, token=token)
    if config.origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=config.origins,
            allow_methods=["GET", "POST", "PUT", "DELETE"],
            allow_headers=["Authorization", "Content-Type"],
            expose_headers=["Location"],
        )
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=allowed_hosts(config), www_redirect=False)
    app.add_middleware(SecurityHeaders)
