"""One visit to a VideoRoom over the network: the session's actions carried out on a WebSocket and a peer connection."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.typing import Subprotocol

from guard.calls.janus.messages import MAX_MESSAGE_BYTES
from guard.calls.janus.room import Seat
from guard.calls.janus.session import Action, Ended, EndStreams, JanusSession, Joined, Offer, Send
from guard.calls.offer import check_offer
from guard.calls.peer import MakePeer, PeerStream
from guard.calls.refused_sections import refuse_undecodable
from guard.errors import JoinError, SignallingError
from guard.one_line import one_line

_LOG = logging.getLogger(__name__)

SUBPROTOCOL = Subprotocol("janus-protocol")
MAX_MEDIA_SECTIONS = 64
_OPEN_SECONDS = 10.0
_CLOSE_SECONDS = 2.0
_PING_SECONDS = 20.0
# How soon a stream or a connection that ended by itself is noticed.
_LOOK_SECONDS = 0.5
_SHORTEST_WAIT_SECONDS = 0.02
# One wait may run out in the very moment that a busy event loop gets round to reading.
_SILENT_WAITS = 2
_LEFT = "the participant left"
_MAX_TOLD_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class _Conversation:
    socket: ClientConnection
    joined: Callable[[], None]


class RoomVisit:
    """From the connection to the server to the end of everything that came of it. `run` once."""

    def __init__(self, url: str, session: JanusSession, call: str, max_offer_bytes: int, make_peer: MakePeer) -> None:
        self._url = url
        self._session = session
        self._max_offer_bytes = max_offer_bytes
        self._peer = make_peer(
            call, multistream=True, on_stream_ended=self._note_stream_end, on_ended=self._note_peer_end
        )
        self._seats: dict[str, Seat] = {}
        self._unusable: set[str] = set()
        self._lost: set[str] = set()
        self._has_joined = False
        self._ended: Ended | None = None

    @property
    def tracks(self) -> Sequence[PeerStream]:
        """Whose video is received now."""
        return tuple(self._peer.streams.values())

    async def run(self, joined: Callable[[], None]) -> str:
        """Stay in the room for as long as it goes; return why it went no longer. Cancel it to leave.

        Raises JoinError where the room cannot be entered, or wants the guard no more.
        """
        why = "the guard left the room"
        try:
            ended = await self._connect(joined)
            why = ended.why
        finally:
            await self._peer.end(why)
        if ended.is_final or not self._has_joined:
            raise JoinError(ended.why, retryable=not ended.is_final)
        return ended.why

    async def _connect(self, joined: Callable[[], None]) -> Ended:
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
                    return Ended("this WebSocket is none of a Janus server; check the address", is_final=True)
                return await self._converse(socket, joined)
        except ConnectionClosed as error:
            return Ended(f"the server closed the connection ({_told(error)})")
        except (OSError, TimeoutError, WebSocketException) as error:
            return Ended(f"cannot reach the server ({_told(error) or type(error).__name__})")

    async def _converse(self, socket: ClientConnection, joined: Callable[[], None]) -> Ended:
        conversation = _Conversation(socket, joined)
        await self._perform(conversation, self._session.start(time.monotonic()))
        try:
            silent_waits = 0
            while self._ended is None:
                patience = min(self._session.next_tick_seconds - time.monotonic(), _LOOK_SECONDS)
                try:
                    async with asyncio.timeout(max(patience, _SHORTEST_WAIT_SECONDS)):
                        text = await socket.recv()
                except TimeoutError:
                    silent_waits += 1
                else:
                    silent_waits = 0
                    await self._perform(conversation, self._session.receive(text, time.monotonic()))
                await self._perform(conversation, self._session.tick(time.monotonic()))
                if silent_waits >= _SILENT_WAITS:
                    await self._perform(conversation, self._session.nothing_heard(time.monotonic()))
                await self._give_back(conversation)
            return self._ended
        finally:
            # Janus would notice by itself; it only takes longer.
            with suppress(ConnectionClosed, TimeoutError):
                async with asyncio.timeout(_CLOSE_SECONDS):
                    await self._perform(conversation, self._session.leave(time.monotonic()))

    async def _perform(self, conversation: _Conversation, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case Send(text):
                    await conversation.socket.send(text)
                case Joined():
                    self._has_joined = True
                    conversation.joined()
                case Offer():
                    await self._take_offer(conversation, action)
                case EndStreams(mids):
                    await self._end_streams(mids)
                case Ended():
                    self._ended = self._ended or action

    async def _take_offer(self, conversation: _Conversation, offer: Offer) -> None:
        await self._end_streams([mid for mid, seat in self._seats.items() if offer.seats.get(mid) != seat])
        try:
            filtered = refuse_undecodable(offer.sdp, MAX_MEDIA_SECTIONS)
            check_offer(filtered.sdp, self._max_offer_bytes, max_sections=MAX_MEDIA_SECTIONS, must_send=False)
            self._seats = {mid: seat for mid, seat in offer.seats.items() if mid not in filtered.refused}
            answer = await self._peer.answer(filtered.sdp, {mid: seat.name for mid, seat in self._seats.items()})
        except (SignallingError, ValueError) as error:
            self._ended = Ended(f"the server's offer cannot be accepted: {error}")
            return
        self._unusable.update(filtered.refused)
        for mid in filtered.refused:
            if mid in offer.seats:
                _LOG.warning("nobody watches %s: the video cannot be decoded", offer.seats[mid].name)
        await self._perform(conversation, self._session.answered(filtered.answer(answer), time.monotonic()))

    async def _end_streams(self, mids: Iterable[str]) -> None:
        for mid in mids:
            self._seats.pop(mid, None)
            await self._peer.end_stream(mid, _LEFT)

    async def _give_back(self, conversation: _Conversation) -> None:
        if self._unusable:
            mids, self._unusable = frozenset(self._unusable), set()
            await self._perform(conversation, self._session.unusable(mids, time.monotonic()))
        if self._lost:
            mids, self._lost = frozenset(self._lost), set()
            await self._perform(conversation, self._session.lost(mids, time.monotonic()))

    def _note_stream_end(self, mid: str, participant: str, why: str) -> None:
        # Those that were meant to end have given up their seat before.
        if self._seats.pop(mid, None) is not None and not self._peer.is_ending:
            _LOG.warning("the video of %s is no longer received: %s", participant, why)
            self._lost.add(mid)

    def _note_peer_end(self, why: str) -> None:
        self._ended = self._ended or Ended(f"the media connection ended: {why}")


def _told(error: Exception) -> str:
    """What the library says, which may repeat what the server said."""
    return one_line(str(error), _MAX_TOLD_CHARACTERS)
