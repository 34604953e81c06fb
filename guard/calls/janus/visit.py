"""One visit to a VideoRoom over the network: the session's actions carried out on a WebSocket and a peer connection."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.typing import Subprotocol

from guard.calls.janus.messages import MAX_MESSAGE_BYTES
from guard.calls.janus.room import Seat
from guard.calls.janus.session import Action, Ended, EndStreams, JanusSession, Offer, Send
from guard.calls.offer import check_offer
from guard.calls.received_stream import ReceivedStream
from guard.calls.receiving_peer import ReceivingPeer
from guard.calls.source import CallListener
from guard.config import CallsConfig
from guard.errors import SignallingError

_LOG = logging.getLogger(__name__)

SUBPROTOCOL = Subprotocol("janus-protocol")
MAX_MEDIA_SECTIONS = 64
_OPEN_SECONDS = 10.0
_CLOSE_SECONDS = 2.0
_PING_SECONDS = 20.0
# How soon a stream or a connection that ended by itself is noticed.
_LOOK_SECONDS = 0.5
_LEFT = "the participant left"


class RoomVisit:
    """From the connection to the server to the end of everything that came of it. `run` once."""

    def __init__(self, url: str, session: JanusSession, call: str, config: CallsConfig, listener: CallListener) -> None:
        self._url = url
        self._session = session
        self._max_offer_bytes = config.max_offer_bytes
        self._peer = ReceivingPeer(
            call,
            config,
            listener,
            multistream=True,
            on_stream_ended=self._note_stream_end,
            on_ended=self._note_peer_end,
        )
        self._seats: dict[str, Seat] = {}
        self._unusable: set[str] = set()
        self._ended: Ended | None = None

    @property
    def streams(self) -> Mapping[str, ReceivedStream]:
        """The streams under way, by mid."""
        return self._peer.streams

    async def run(self) -> Ended:
        """Stay in the room for as long as it goes; return why it went no longer. Cancel it to leave."""
        why = "the guard left the room"
        try:
            ended = await self._connect()
            why = ended.why
            return ended
        finally:
            await self._peer.end(why)

    async def _connect(self) -> Ended:
        try:
            async with connect(
                self._url,
                subprotocols=[SUBPROTOCOL],
                max_size=MAX_MESSAGE_BYTES,
                open_timeout=_OPEN_SECONDS,
                close_timeout=_CLOSE_SECONDS,
                ping_interval=_PING_SECONDS,
                ping_timeout=_PING_SECONDS,
            ) as socket:
                if socket.subprotocol != SUBPROTOCOL:
                    return Ended("this WebSocket is none of a Janus server", is_final=True)
                return await self._converse(socket)
        except ConnectionClosed as error:
            return Ended(f"the server closed the connection ({error})")
        except (OSError, TimeoutError, WebSocketException) as error:
            return Ended(f"cannot reach the server ({error or type(error).__name__})")

    async def _converse(self, socket: ClientConnection) -> Ended:
        await self._perform(socket, self._session.start(time.monotonic()))
        try:
            while self._ended is None:
                patience = min(self._session.next_tick_seconds - time.monotonic(), _LOOK_SECONDS)
                try:
                    text = await asyncio.wait_for(socket.recv(), max(0.0, patience))
                except TimeoutError:
                    pass
                else:
                    await self._perform(socket, self._session.receive(text, time.monotonic()))
                await self._perform(socket, self._session.tick(time.monotonic()))
                await self._give_back_unusable(socket)
            return self._ended
        except asyncio.CancelledError:
            await self._perform(socket, self._session.leave(time.monotonic()))
            raise

    async def _perform(self, socket: ClientConnection, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case Send(text):
                    await socket.send(text)
                case Offer():
                    await self._take_offer(socket, action)
                case EndStreams(mids):
                    await self._end_streams(mids)
                case Ended():
                    self._ended = self._ended or action

    async def _take_offer(self, socket: ClientConnection, offer: Offer) -> None:
        await self._end_streams(mid for mid, seat in list(self._seats.items()) if offer.seats.get(mid) != seat)
        self._seats = dict(offer.seats)
        try:
            check_offer(offer.sdp, self._max_offer_bytes, max_sections=MAX_MEDIA_SECTIONS, must_send=False)
            answer = await self._peer.answer(offer.sdp, {mid: seat.name for mid, seat in offer.seats.items()})
        except SignallingError as error:
            self._ended = Ended(f"the server's offer cannot be accepted: {error}")
            return
        await self._perform(socket, self._session.answered(answer, time.monotonic()))

    async def _end_streams(self, mids: Iterable[str]) -> None:
        for mid in mids:
            self._seats.pop(mid, None)
            await self._peer.end_stream(mid, _LEFT)

    async def _give_back_unusable(self, socket: ClientConnection) -> None:
        if self._unusable:
            mids, self._unusable = frozenset(self._unusable), set()
            await self._perform(socket, self._session.unusable(mids, time.monotonic()))

    def _note_stream_end(self, mid: str, participant: str, why: str) -> None:
        # Those that were meant to end have given up their seat before.
        if self._seats.pop(mid, None) is not None:
            _LOG.info("the video of %s ended: %s", participant, why)
            self._unusable.add(mid)

    def _note_peer_end(self, why: str) -> None:
        self._ended = self._ended or Ended(f"the media connection ended: {why}")
