"""Asking a WHEP server for the simulcast layer that the engine needs, for as long as a session goes."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from types import TracebackType
from typing import Self

from guard.calls.rate_limit import TokenBucket
from guard.calls.signalling_http import ReadPiece
from guard.calls.whep.client import LAYERS_EVENT, WhepEndpoint, WhepSession
from guard.calls.whep.event_stream import EventStream
from guard.calls.whep.layers import LEAST_HEIGHT_PX, Layer, choose_layer, read_layers
from guard.errors import JoinError

_LOG = logging.getLogger(__name__)

# A server whose layers come and go is followed no faster.
REST_SECONDS = 5.0
REOPEN_SECONDS = 30.0
MAX_BYTES_PER_SECOND = 65_536
"""Of events; a server that sends more is listened to no longer."""
LEAST_PIECE_BYTES = 256
"""What a piece counts for at least: a server that sends single bytes costs as much for each."""


class LayerChoice:
    """While it is entered, follows what the server tells of its layers and asks for the one that is wanted.

    Nothing that goes wrong here ends the visit: the server then sends the layer that it thinks best.
    """

    def __init__(self, endpoint: WhepEndpoint, session: WhepSession) -> None:
        self._endpoint = endpoint
        self._layer_url = session.layer_url
        self._events_url = session.events_url
        self._chosen: dict[str, str] | None = None
        self._was_refused = False
        self._following: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        if self._layer_url is not None:
            self._following = asyncio.create_task(self._follow(self._layer_url), name="choice of a WHEP layer")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._following is not None:
            self._following.cancel()
            await asyncio.wait({self._following})

    async def _follow(self, layer_url: str) -> None:
        if self._events_url is None:
            # It cannot tell its layers, so it is told what would do.
            await self._select(layer_url, {"maxHeight": LEAST_HEIGHT_PX})
            return
        try:
            while True:
                with suppress(JoinError):
                    async with self._endpoint.events(self._events_url) as next_piece:
                        await self._listen(layer_url, next_piece)
                await asyncio.sleep(REOPEN_SECONDS)
        except ValueError as error:
            _LOG.warning("a WHEP server's layers are not followed: %s", error)

    async def _listen(self, layer_url: str, next_piece: ReadPiece) -> None:
        """Until the stream ends. Raises ValueError where it is no stream to listen to."""
        stream = EventStream()
        allowance = TokenBucket(MAX_BYTES_PER_SECOND)
        while (piece := await next_piece()) is not None:
            if not allowance.take(max(len(piece), LEAST_PIECE_BYTES), time.monotonic()):
                raise ValueError(f"more than {MAX_BYTES_PER_SECOND} bytes of events in a second")
            for event in stream.feed(piece):
                if event.type == LAYERS_EVENT:
                    await self._consider(layer_url, read_layers(event.data))

    async def _consider(self, layer_url: str, layers: tuple[Layer, ...]) -> None:
        layer = choose_layer(layers)
        # With one layer there is nothing to choose, and the server stays free to send another that comes later.
        if layer is None or (len(layers) < 2 and self._chosen is None) or layer.selection() == self._chosen:
            return
        self._chosen = layer.selection()
        await self._select(layer_url, self._chosen)
        await asyncio.sleep(REST_SECONDS)

    async def _select(self, layer_url: str, selection: dict[str, str] | dict[str, int]) -> None:
        try:
            await self._endpoint.select_layer(layer_url, selection)
        except JoinError as error:
            if not self._was_refused:
                _LOG.warning("the WHEP server chooses the layer: %s", error)
            self._was_refused = True
