"""One publisher: from its SDP offer to the end of its video, with exactly one `participant_left` per join."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable

from guard.calls.offer import sending_videos
from guard.calls.peer import MakePeer


class WhipSession:
    """Receives the first video of one offer, and cleans up once.

    Everything runs on one event loop. `end` may be called at any time, by anybody, any number of times.
    """

    def __init__(
        self,
        call: str,
        participant: str,
        make_peer: MakePeer,
        on_ended: Callable[[WhipSession], None],
    ) -> None:
        self.call = call
        self.participant = participant
        self.session_id = secrets.token_urlsafe(16)
        self._peer = make_peer(call, on_ended=lambda _why: on_ended(self))

    @property
    def is_stalled(self) -> bool:
        """True where the connection stands but no frame has come for the configured time."""
        return any(stream.is_stalled for stream in self._peer.streams.values())

    async def answer(self, offer_sdp: str) -> str:
        """Answer an offer that `check_offer` has passed: its first video, no audio, no second picture.

        Raises SignallingError where aiortc refuses it; the caller then ends the session.
        """
        first = sending_videos(offer_sdp)[0]
        return await self._peer.answer(offer_sdp, {first: self.participant})

    async def end(self, why: str) -> None:
        """End the session and wait until all of it is gone, at most a little longer than `close_seconds`."""
        await self._peer.end(why)

    def end_soon(self, why: str) -> asyncio.Task[None]:
        """Start the end without waiting; the first reason is the one that the listener hears."""
        return self._peer.end_soon(why)
