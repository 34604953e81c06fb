"""One visit to a LiveKit room: watch who publishes a camera, take it in the layer that is needed, hand it over.

Limits, which are the SDK's (1.2): its native library receives and decodes in this process, out of our sight.

- What the guard checks for WebRTC *before* decoding (picture size, bytes and packets per second, SSRCs) is here checked
  on decoded pictures only; a resolution bomb costs this process libwebrtc's memory before its stream is ended.
- **A server can end this process**: on an SDP line that it cannot read the library aborts, and Python with it. Join
  servers that you trust.
- The time of a picture is the SDK's own, about when it was decoded, not the sender's: the network's jitter is in it,
  what was lost shows only as a longer step of it, and there is no capture time.
- No LiveKit server has been at hand: this was tried with the SDK's library against a small server of the tests' own
  (README.md beside this file says where a server was looked for).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field

from guard.calls.livekit.room_stream import RoomStream
from guard.calls.livekit.sdk import Participant, Publication, Room, Sdk
from guard.calls.seat_names import seat_names
from guard.calls.source import CallListener
from guard.config import CallsConfig
from guard.errors import JoinError

_LOG = logging.getLogger(__name__)

WANTED_HEIGHT_PX = 360
"""Plenty for the engine's 128 x 128 crop of the face."""
JOIN_SECONDS = 15.0
ASK_AGAIN_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Admission:
    """Where to go, and the pass for it, made when it is needed."""

    url: str
    """ws or wss."""
    token: Callable[[], str] = field(repr=False)


def simulcast_layer(full_height_px: int) -> int:
    """The smallest of a camera's three layers (a quarter, half, full height) that is tall enough: 0, 1 or 2."""
    for layer, divisor in enumerate((4, 2)):
        if full_height_px // divisor >= WANTED_HEIGHT_PX:
            return layer
    return 2


class RoomVisit:
    """From connecting to the end of everything that came of it. `run` once."""

    def __init__(self, sdk: Sdk, admission: Admission, call: str, config: CallsConfig, listener: CallListener) -> None:
        self._sdk = sdk
        self._admission = admission
        self._call = call
        self._config = config
        self._listener = listener
        self._room: Room = sdk.room()
        self._over: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._removed = False
        self._wanted: dict[str, str] = {}
        """Participant's identity -> the publication that is subscribed for them."""
        self._refused: set[str] = set()
        """Publications that were given up. Not for good, or falling silent for once would shake the guard off: they are
        taken again at the next `_ask_again`, or when their camera is switched on anew."""
        self._streams: dict[str, RoomStream] = {}
        self._endings: set[asyncio.Task[None]] = set()

    @property
    def tracks(self) -> Sequence[RoomStream]:
        """Whose video is received now."""
        return tuple(self._streams.values())

    async def run(self, joined: Callable[[], None]) -> str:
        """Stay in the room for as long as it goes; return why it went no longer. Cancel it to leave.

        Raises JoinError where the room cannot be entered, or wants the guard no more.
        """
        why = "the guard left the room"
        self._listen()
        connecting = asyncio.ensure_future(
            self._room.connect(
                self._admission.url,
                self._admission.token(),
                self._sdk.options(relay_only=self._config.relay_only),
            )
        )
        try:
            await self._await_connection(connecting)
            joined()
            self._look_around()
            why = await self._stay()
        except JoinError as error:
            why = str(error)
            raise
        finally:
            await self._leave(connecting, why)
        if self._removed:
            raise JoinError(why, retryable=False)
        return why

    def _listen(self) -> None:
        on = self._room.on
        on("participant_connected", lambda _participant: self._look_around())
        on("track_published", lambda _publication, _participant: self._look_around())
        on("track_unpublished", lambda publication, participant: self._gone(participant.identity, publication.sid))
        on("track_subscribed", self._subscribed)
        on("track_unsubscribed", lambda _track, publication, who: self._gone(who.identity, publication.sid))
        on("track_subscription_failed", lambda who, sid, _error: self._give_up(who.identity, sid))
        on("track_unmuted", self._switched_on)
        on("participant_disconnected", lambda participant: self._gone(participant.identity))
        on("reconnected", self._resumed)
        on("disconnected", self._disconnected)

    async def _stay(self) -> str:
        while not self._over.done():
            await asyncio.wait({self._over}, timeout=ASK_AGAIN_SECONDS)
            self._ask_again()
        return self._over.result()

    def _ask_again(self) -> None:
        """What is asked for while the SDK restarts its connection gets lost without a word."""
        self._refused.clear()
        for identity in [identity for identity in self._wanted if identity not in self._streams]:
            del self._wanted[identity]
        self._look_around()

    async def _await_connection(self, connecting: asyncio.Future[None]) -> None:
        await asyncio.wait({connecting}, timeout=JOIN_SECONDS)
        if not connecting.done():
            raise JoinError(f"the server lets nobody in within {JOIN_SECONDS:.0f} s")
        try:
            connecting.result()
        except self._sdk.connect_error as error:
            # Its text may hold the address with the token in it.
            text = str(error) + str(getattr(error, "message", ""))
            if any(sign in text.lower() for sign in ("401", "403", "unauthorized", "invalid token")):
                raise JoinError("the server refuses the token; give a valid one", retryable=False) from None
            raise JoinError("the server cannot be reached, or is no LiveKit server") from None

    async def _leave(self, connecting: asyncio.Future[None], why: str) -> None:
        self._over.cancel()  # From here on nothing is subscribed any more.
        await asyncio.gather(*(self._end(identity, why) for identity in list(self._streams)))
        if self._endings:
            await asyncio.wait(self._endings)
        # A connection that comes about after all would leave a participant behind whom nobody attends to.
        leaving = asyncio.ensure_future(_disconnect_after(connecting, self._room))
        await asyncio.wait({leaving}, timeout=self._config.close_seconds)
        if not leaving.done():
            _LOG.warning("leaving a LiveKit room takes longer than %.1f s; going on", self._config.close_seconds)

    def _look_around(self) -> None:
        """Subscribe to a camera of everybody who has one, as long as there are seats."""
        for participant in list(self._room.remote_participants.values()):
            if len(self._wanted) >= self._config.max_participants or self._over.done():
                return
            # A stream that is being ended still has its seat; when it is done there is another look.
            if participant.identity in self._wanted or participant.identity in self._streams:
                continue
            camera = self._camera_of(participant)
            if camera is not None:
                self._wanted[participant.identity] = camera.sid
                camera.set_subscribed(True)

    def _camera_of(self, participant: Participant) -> Publication | None:
        for publication in participant.track_publications.values():
            if publication.sid not in self._refused and self._sdk.is_camera(publication):
                return publication
        return None

    def _subscribed(self, track: object, publication: Publication, participant: Participant) -> None:
        identity, sid = participant.identity, publication.sid
        if self._wanted.get(identity) != sid or identity in self._streams or self._over.done():
            return
        if publication.simulcasted:
            publication.set_video_quality(self._sdk.quality(simulcast_layer(publication.height)))
        taken = [stream.participant for stream in self._streams.values()]
        self._streams[identity] = RoomStream(
            self._sdk,
            self._sdk.stream(track),
            self._call,
            seat_names({identity: identity}, taken)[identity],
            self._config,
            self._listener,
            lambda why: self._stream_ended(identity, publication, why),
        )

    def _stream_ended(self, identity: str, publication: Publication, why: str) -> None:
        """A stream ended by itself."""
        if self._wanted.get(identity) == publication.sid:
            publication.set_subscribed(False)
        self._give_up(identity, publication.sid, why)

    def _give_up(self, identity: str, sid: str, why: str = "the server does not hand the video over") -> None:
        self._refused.add(sid)
        self._gone(identity, sid, why)

    def _gone(self, identity: str, sid: str | None = None, why: str = "the participant left") -> None:
        """A publication, or with it its participant, is there no more; another camera of theirs may be."""
        if sid is not None and self._wanted.get(identity) != sid:
            return
        if self._wanted.pop(identity, None) is None:
            return
        if identity in self._streams:
            self._spawn(self._end(identity, why))
        else:
            self._look_around()

    def _switched_on(self, _participant: Participant, publication: Publication) -> None:
        self._refused.discard(publication.sid)
        self._look_around()

    def _resumed(self) -> None:
        for stream in self._streams.values():
            stream.interrupted()
        self._ask_again()

    def _disconnected(self, reason: int) -> None:
        self._removed = self._sdk.was_removed(reason)
        if not self._over.done():
            self._over.set_result(
                "somebody put the guard out of the room" if self._removed else "the connection to the room ended"
            )

    async def _end(self, identity: str, why: str) -> None:
        stream = self._streams.get(identity)
        if stream is not None:
            await stream.end(why)
            self._streams.pop(identity, None)
            self._look_around()

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.ensure_future(work)
        self._endings.add(task)
        task.add_done_callback(self._endings.discard)


async def _disconnect_after(connecting: asyncio.Future[None], room: Room) -> None:
    await asyncio.wait({connecting})
    if not connecting.cancelled():
        connecting.exception()
    await room.disconnect()
