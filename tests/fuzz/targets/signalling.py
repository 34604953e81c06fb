"""What signalling servers send: Janus messages, and the answers and events of a WHEP server."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from urllib.parse import urlsplit

import h11

from guard.calls.janus.messages import parse_message
from guard.calls.signalling_http import _MAX_HEAD_BYTES, Reply, _read_reply
from guard.calls.whep.client import EVENTS_RELATION, LAYER_RELATION, WhepEndpoint, _check_type, _refusal
from guard.calls.whep.event_stream import EventStream
from guard.calls.whep.layers import MAX_LAYERS, choose_layer, read_layers
from guard.calls.whep.link_header import MAX_CHARACTERS, MAX_LINKS, read_links
from guard.errors import JoinError

_MAX_BYTES = 4096
_ENDPOINT = WhepEndpoint("https://media.example/whep/room", None)
_LOOP = asyncio.new_event_loop()


def janus_message(data: bytes) -> None:
    """A message or a ValueError that repeats nothing of it."""
    try:
        message = parse_message(data)
    except ValueError as error:
        assert len(str(error)) < 300
        return
    event = message.room_event
    if event is not None:
        assert all(len(publisher.display) <= 256 for publisher in event.publishers)
        assert len(event.publishers) <= 512
        assert event.error is None or len(event.error) <= 200


def whep_reply(data: bytes) -> None:
    """A reply within bounds, a JoinError, or what `request` makes one of."""
    try:
        reply = _LOOP.run_until_complete(_read(data))
    except (JoinError, h11.RemoteProtocolError):
        return
    assert len(reply.body) <= _MAX_BYTES
    assert _refusal(reply).retry_after_seconds >= 0
    with suppress(JoinError):
        _check_type(reply)
    with suppress(JoinError):
        parts = urlsplit(_ENDPOINT._session_url(reply))
        assert (parts.scheme, parts.hostname, parts.port) == ("https", "media.example", None)


def whep_links(data: bytes) -> None:
    """Links within bounds, and no address of an extension at another origin."""
    header = data.decode("latin-1")
    links = read_links([header])
    assert len(links) <= MAX_LINKS
    assert sum(len(link.target) for link in links) <= MAX_CHARACTERS
    assert all(link.target.isprintable() for link in links)
    for relation in (LAYER_RELATION, EVENTS_RELATION):
        url = _ENDPOINT._extension_url(links, relation)
        parts = urlsplit(url or _ENDPOINT.url)
        assert (parts.scheme, parts.hostname, parts.port) == ("https", "media.example", None)


def whep_events(data: bytes) -> None:
    """The same events in one piece and byte by byte, and a choice among the layers that they tell."""
    stream = EventStream()
    try:
        events = stream.feed(data)
    except ValueError as error:
        assert len(str(error)) < 300
        return
    slowly = EventStream()
    assert [event for byte in data for event in slowly.feed(bytes([byte]))] == events
    for event in events:
        try:
            layers = read_layers(event.data)
        except ValueError as error:
            assert len(str(error)) < 300
            continue
        assert len(layers) <= MAX_LAYERS
        layer = choose_layer(layers)
        assert layer is None or (layer in layers and len(json.dumps(layer.selection())) < 2000)


async def _read(data: bytes) -> Reply:
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MAX_HEAD_BYTES)
    connection.send(h11.Request(method="POST", target="/", headers=[("Host", "media.example")]))
    connection.send(h11.EndOfMessage())
    reader = asyncio.StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    return await _read_reply(connection, reader, _MAX_BYTES)
