"""The published schema documents: equal to the code, valid, and true of what is sent."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

import guard.serve.schema
from guard.serve.events import EVENT_ADAPTER, HelloEvent
from guard.serve.hub import EventHub
from guard.serve.schema import as_text, asyncapi_document, events_schema
from tests.guard.serve.scripted_guard import ENGINE, WAITING, alert, engine, health, score, source, witnesses

FOLDER = Path(guard.serve.schema.__file__).parent
EVENTS = jsonschema_rs.validator_for(events_schema())
DOCUMENTS = {"events": events_schema, "asyncapi": asyncapi_document}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_committed_copy_is_what_the_code_says(name: str) -> None:
    committed = (FOLDER / f"{name}.json").read_text("utf-8")
    assert committed == as_text(DOCUMENTS[name]()), (
        f"run: python -m guard.serve.schema {name} > {FOLDER.name}/{name}.json"
    )


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_command_prints_it(name: str) -> None:
    command = [sys.executable, "-m", "guard.serve.schema", name]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == as_text(DOCUMENTS[name]())


def test_the_events_schema_is_a_valid_schema() -> None:
    assert jsonschema_rs.meta.is_valid(events_schema())


@given(
    st.sampled_from(
        [
            alert("driver does not match"),
            health(3),
            score("close to the threshold"),
            score(),
            engine(),
            source(),
            witnesses(),
        ]
    ),
    st.one_of(st.none(), st.from_regex(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}", fullmatch=True)),
)
def test_what_is_sent_fits_the_schema(fields: dict[str, object], participant: str | None) -> None:
    event = EventHub(1, 8).publish("main", participant, fields)
    text = event.model_dump_json()
    EVENTS.validate(json.loads(text))
    assert EVENT_ADAPTER.validate_json(text) == event


def test_hello_fits_the_schema() -> None:
    hello = HelloEvent(
        seq=3,
        time=datetime.now(UTC),
        call="main",
        participant=None,
        server_version="1",
        engine=ENGINE,
        resumed_from=None,
        participants=[],
        sources=[WAITING],
    )
    assert EVENTS.is_valid(json.loads(hello.model_dump_json()))


def references(value: Any) -> Iterator[str]:
    """Every `$ref` in a document."""
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for item in value.values():
            yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


def resolved(document: dict[str, Any], reference: str) -> Any:
    value: Any = document
    for part in reference.removeprefix("#/").split("/"):
        value = value[part]
    return value


def test_the_asyncapi_document_hangs_together() -> None:
    """Structure after AsyncAPI 3.0: required fields, references that lead somewhere, messages of the channel."""
    document = asyncapi_document()
    assert document["asyncapi"] == "3.0.0"
    assert {"title", "version"} <= set(document["info"])
    found = list(references(document))
    assert found
    for reference in found:
        assert isinstance(resolved(document, reference), dict)
    channel = document["channels"]["call"]
    assert set(channel["parameters"]) == {"call"}
    for operation in document["operations"].values():
        assert operation["action"] in {"send", "receive"}
        for message in operation["messages"]:
            assert message["$ref"].startswith(operation["channel"]["$ref"] + "/messages/")


def test_the_asyncapi_document_describes_every_event() -> None:
    document = asyncapi_document()
    kinds = {
        schema["properties"]["type"]["const"]
        for name, schema in document["components"]["schemas"].items()
        if name in document["components"]["messages"]
    }
    live = {"participant", "score", "state", "alert", "witnesses", "health", "engine", "source"}
    assert kinds == live | {"hello", "ping", "pong"}
