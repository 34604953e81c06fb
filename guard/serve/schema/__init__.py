"""JSON Schema and AsyncAPI 3.0 documents of the WebSocket, generated from `guard.serve.events`.

`events.json` and `asyncapi.json` beside this file are their committed copies, for those who read the source; a test
keeps them equal. `python -m guard.serve.schema events` (or `asyncapi`) prints a document.
"""

from __future__ import annotations

import json
from typing import Any, get_args

from pydantic.json_schema import models_json_schema

from guard.serve.events import EVENT_ADAPTER, SCHEMA_VERSION, ClientPing, Event, Pong

_JSON_SCHEMA = "https://json-schema.org/draft/2020-12/schema"
_COMPONENT = "#/components/{kind}/{name}"


def events_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of the events that the server sends."""
    schema = EVENT_ADAPTER.json_schema(mode="serialization")
    return {"$schema": _JSON_SCHEMA, "title": f"guard events, version {SCHEMA_VERSION}", **schema}


def asyncapi_document() -> dict[str, Any]:
    """AsyncAPI 3.0 description of `/ws/{call}`."""
    events = [kind.__name__ for kind in get_args(get_args(Event)[0])]
    sent = [*events, Pong.__name__]
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "guard events",
            "version": f"{SCHEMA_VERSION}.0.0",
            "description": "Driver-verification events of a video call, live.",
        },
        "defaultContentType": "application/json",
        "channels": {"call": _channel([*sent, ClientPing.__name__])},
        "operations": {
            "sendEvents": _operation("send", "What the server sends: `hello`, then events; `pong` when asked.", sent),
            "receivePing": _operation("receive", "The only message that a client may send.", [ClientPing.__name__]),
        },
        "components": {
            "messages": {name: _message(name) for name in [*sent, ClientPing.__name__]},
            "schemas": _schemas(),
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "The server's token; for programs"},
                "ticket": {
                    "type": "httpApiKey",
                    "in": "query",
                    "name": "ticket",
                    "description": "Single-use pass from POST /api/tickets; for browsers",
                },
            },
        },
    }


def _channel(messages: list[str]) -> dict[str, Any]:
    since = {"type": "integer", "minimum": 0, "description": "Last seq seen, or 0 for all that is kept"}
    return {
        "address": "/ws/{call}",
        "parameters": {"call": {"description": "Name of the call"}},
        "messages": {name: {"$ref": _COMPONENT.format(kind="messages", name=name)} for name in messages},
        "bindings": {"ws": {"method": "GET", "query": {"type": "object", "properties": {"since": since}}}},
    }


def _operation(action: str, summary: str, messages: list[str]) -> dict[str, Any]:
    return {
        "action": action,
        "summary": summary,
        "channel": {"$ref": "#/channels/call"},
        "messages": [{"$ref": f"#/channels/call/messages/{name}"} for name in messages],
        "security": [
            {"$ref": _COMPONENT.format(kind="securitySchemes", name="bearer")},
            {"$ref": _COMPONENT.format(kind="securitySchemes", name="ticket")},
        ],
    }


def _message(name: str) -> dict[str, Any]:
    return {"name": name, "payload": {"$ref": _COMPONENT.format(kind="schemas", name=name)}}


def _schemas() -> dict[str, Any]:
    events = get_args(get_args(Event)[0])
    _, definitions = models_json_schema(
        [(kind, "serialization") for kind in (*events, Pong)] + [(ClientPing, "validation")],
        ref_template="#/components/schemas/{model}",
    )
    schemas: dict[str, Any] = definitions["$defs"]
    return schemas


def as_text(document: dict[str, Any]) -> str:
    """The document as it is printed and committed."""
    return json.dumps(document, indent=2, sort_keys=True) + "\n"
