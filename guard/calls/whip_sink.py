"""The set of publishers that this guard receives: seats in calls, admission by count, orderly end."""

from __future__ import annotations

import asyncio

from guard.calls.offer import check_offer
from guard.calls.peer import MakePeer, peers_here
from guard.calls.receiving_peer import prepare_process
from guard.calls.source import CallListener
from guard.calls.whip_session import WhipSession
from guard.config import CallsConfig
from guard.errors import SignallingError

_NOT_FOUND = 404
_CONFLICT = 409
_UNAVAILABLE = 503


class WhipSink:
    """Receives the video of many participants; each seat (call, participant) has at most one publisher.

    Lives on one event loop. Installs the process-wide ICE datagram filter when it is made.
    """

    def __init__(self, config: CallsConfig, listener: CallListener, make_peer: MakePeer | None = None) -> None:
        """`make_peer`: peers elsewhere, in place of this process's own, whose listener is `listener`."""
        self._config = config
        self._make_peer = make_peer or peers_here(config, listener)
        self._sessions: dict[tuple[str, str], WhipSession] = {}
        self._is_closed = False
        prepare_process(config)

    def __len__(self) -> int:
        return len(self._sessions)

    @property
    def max_offer_bytes(self) -> int:
        """Largest offer that may be read."""
        return self._config.max_offer_bytes

    async def accept(self, call: str, participant: str, offer_sdp: str) -> tuple[str, str]:
        """Take a publisher in; return (session id, SDP answer).

        Raises SignallingError: 400, 406, 413 or 422 for an offer that cannot be accepted, 409 where the seat is
        taken, 503 where no further stream is admitted.
        """
        check_offer(offer_sdp, self._config.max_offer_bytes)
        await self._free_stalled(call, participant)
        self._admit(call, participant)
        session = WhipSession(call, participant, self._make_peer, self._forget)
        self._sessions[call, participant] = session
        try:
            answer_sdp = await session.answer(offer_sdp)
        except BaseException:
            await session.end("the set-up failed")
            raise
        return session.session_id, answer_sdp

    async def end(self, call: str, participant: str, session_id: str) -> None:
        """End one publisher at its own wish. Raises SignallingError (404) where there is no such session."""
        session = self._sessions.get((call, participant))
        if session is None or session.session_id != session_id:
            raise SignallingError("there is no such session; it may have ended already", _NOT_FOUND)
        await session.end("the publisher left")

    async def close(self) -> None:
        """End every publisher and admit nobody any more."""
        self._is_closed = True
        await asyncio.gather(*(session.end("the guard is shutting down") for session in self._sessions.values()))

    async def _free_stalled(self, call: str, participant: str) -> None:
        """A publisher that was cut off comes back before ICE notices: the dead session gives way."""
        session = self._sessions.get((call, participant))
        if session is not None and session.is_stalled:
            await session.end("replaced by a new connection after the video had stalled")

    def _admit(self, call: str, participant: str) -> None:
        if self._is_closed:
            raise SignallingError("the guard is shutting down", _UNAVAILABLE)
        if (call, participant) in self._sessions:
            raise SignallingError(f"{participant} is already connected to {call}; end that session first", _CONFLICT)
        if len(self._sessions) >= self._config.max_participants:
            raise SignallingError(
                f"all {self._config.max_participants} streams are in use; raise calls.max_participants or try later",
                _UNAVAILABLE,
            )

    def _forget(self, session: WhipSession) -> None:
        key = (session.call, session.participant)
        if self._sessions.get(key) is session:
            del self._sessions[key]
