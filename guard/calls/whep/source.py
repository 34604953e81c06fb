"""A WHEP resource as a call source: a visit to it, and the source that visits it again and again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from random import Random

from guard.calls.backoff import Backoff, BackoffPolicy
from guard.calls.call_source import CallSource, RejoiningSource, SourceStats, Track
from guard.calls.offer import check_answer
from guard.calls.peer import MakePeer, peers_here
from guard.calls.source import CallListener
from guard.calls.whep.client import WhepEndpoint, WhepSession, whep_endpoint
from guard.calls.whep.layer_choice import LayerChoice
from guard.config import CallsConfig, SourceConfig
from guard.errors import ConfigError, JoinError, SignallingError

# A connection can stand without video for ever: what counts is frames.
SILENT_SECONDS = 10.0
_LOOK_SECONDS = 0.25


class WhepVisit:
    """One WHEP session, from the offer to its DELETE."""

    def __init__(
        self, endpoint: WhepEndpoint, call: str, participant: str, max_answer_bytes: int, make_peer: MakePeer
    ) -> None:
        self._endpoint = endpoint
        self._participant = participant
        self._max_answer_bytes = max_answer_bytes
        self._over: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._peer = make_peer(call, on_ended=self._note_end)

    @property
    def tracks(self) -> Sequence[Track]:
        """Whose video is received now."""
        return tuple(self._peer.streams.values())

    async def run(self, joined: Callable[[], None]) -> str:
        """Fetch the video until it ends or falls silent; `joined` is called at the first frame."""
        session: WhepSession | None = None
        why = "the guard left"
        try:
            offer_sdp = await self._peer.offer()
            session = await self._endpoint.post_offer(offer_sdp, self._max_answer_bytes)
            check_answer(session.answer_sdp, self._max_answer_bytes)
            await self._peer.accept_answer(session.answer_sdp, self._participant)
            async with LayerChoice(self._endpoint, session):
                why = await self._watch(joined)
            return why
        except SignallingError as error:
            why = str(error)
            raise JoinError(why) from error
        except JoinError as error:
            why = str(error)
            raise
        finally:
            await asyncio.gather(self._peer.end(why), self._end_session(session))

    async def _watch(self, joined: Callable[[], None]) -> str:
        has_joined = False
        while not self._over.done():
            await asyncio.wait({self._over}, timeout=_LOOK_SECONDS)
            for track in self.tracks:
                if track.frames > 0 and not has_joined:
                    has_joined = True
                    joined()
                if track.silent_seconds > SILENT_SECONDS:
                    return f"no video for {SILENT_SECONDS:.0f} s"
        return self._over.result()

    async def _end_session(self, session: WhepSession | None) -> None:
        if session is not None:
            await self._endpoint.end_session(session.url)

    def _note_end(self, why: str) -> None:
        if not self._over.done():
            self._over.set_result(why)


def whep_source(
    source: SourceConfig,
    config: CallsConfig,
    listener: CallListener,
    on_change: Callable[[SourceStats], None],
    make_peer: MakePeer | None = None,
) -> CallSource:
    """The source for a whep:// or whep+http:// address."""
    if source.name is None:
        raise ConfigError("WHEP does not tell who is seen: give the participant's name (--name, calls.sources.name)")
    name = source.name
    endpoint = whep_endpoint(source.url, source.token.get_secret_value() if source.token is not None else None)
    make = make_peer or peers_here(config, listener)
    return RejoiningSource(
        lambda: WhepVisit(endpoint, source.call, name, config.max_offer_bytes, make),
        Backoff(BackoffPolicy(), Random()),
        on_change,
    )
