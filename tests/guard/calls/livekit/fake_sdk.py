"""LiveKit's SDK without a server: the same names, arguments and events, moved by the test.

What it promises of the SDK, test_sdk_contract.py holds against the installed one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from tests.whip_endpoint import numbered_frames

KIND_AUDIO, KIND_VIDEO = 1, 2
SOURCE_CAMERA, SOURCE_SCREENSHARE = 1, 3
I420, NV12 = 5, 10
PARTICIPANT_REMOVED = 4
SIGNAL_CLOSE = 9


class ConnectError(Exception):
    """Its text is in `message`, as the SDK's."""

    def __init__(self, message: str) -> None:
        self.message = message


@dataclass
class FakePicture:
    width: int
    height: int
    data: memoryview
    type: int = I420


@dataclass
class FakeEvent:
    frame: FakePicture
    timestamp_us: int
    rotation: int = 0


@dataclass
class FakeStream:
    """As the SDK's: its iterator goes on waiting when the track has ended."""

    pictures: asyncio.Queue[FakeEvent] = field(default_factory=asyncio.Queue)
    closed: bool = False
    hangs: bool = False

    async def __aiter__(self) -> AsyncIterator[FakeEvent]:
        while True:
            yield await self.pictures.get()

    async def aclose(self) -> None:
        if self.hangs:
            await asyncio.Event().wait()
        self.closed = True

    def play(self, count: int, first: int = 0, width: int = 320, height: int = 240, start_us: int = 10**9) -> None:
        """`count` numbered pictures, 30 a second by their time stamps."""
        next_picture = numbered_frames(count, width, height, first)
        for number in range(first, first + count):
            image = next_picture()
            assert image is not None
            data = memoryview(np.ascontiguousarray(image.to_ndarray()).reshape(-1).data)
            self.pictures.put_nowait(FakeEvent(FakePicture(width, height, data), start_us + number * 1_000_000 // 30))


@dataclass
class FakePublication:
    sid: str
    room: FakeRoom
    identity: str
    kind: int = KIND_VIDEO
    source: int = SOURCE_CAMERA
    muted: bool = False
    simulcasted: bool = True
    height: int = 720
    qualities: list[int] = field(default_factory=list)
    subscribed: bool = False
    requests: list[bool] = field(default_factory=list)
    """To subscribe (True) or to unsubscribe, in order."""
    stream: FakeStream = field(default_factory=FakeStream)
    fails: bool = False
    deaf: bool = False
    """A request to subscribe gets lost, as it does while the SDK restarts its connection."""

    def set_subscribed(self, subscribed: bool) -> None:
        self.subscribed = subscribed
        self.requests.append(subscribed)
        participant = self.room.remote_participants[self.identity]
        if not subscribed:
            self.room.emit("track_unsubscribed", self.stream, self, participant)
        elif self.deaf:
            return
        elif self.fails:
            self.room.emit("track_subscription_failed", participant, self.sid, "no such codec")
        else:
            self.stream = FakeStream()
            self.room.emit("track_subscribed", self.stream, self, participant)

    def set_video_quality(self, quality: int) -> None:
        if not self.simulcasted:
            raise ValueError("requires a simulcasted publication")
        self.qualities.append(quality)


@dataclass
class FakeParticipant:
    identity: str
    track_publications: dict[str, FakePublication] = field(default_factory=dict)


@dataclass
class FakeRoom:
    """Emits after the current callback, as events come from the SDK's queue."""

    refuses: str | None = None
    waits: asyncio.Event | None = None
    remote_participants: dict[str, FakeParticipant] = field(default_factory=dict)
    handlers: dict[str, Callable[..., None]] = field(default_factory=dict)
    connected: bool = False
    disconnects: int = 0
    given: tuple[str, str, object] | None = None

    def on(self, event: str, callback: Callable[..., None]) -> Callable[..., None]:
        self.handlers[event] = callback
        return callback

    async def connect(self, url: str, token: str, options: object) -> None:
        self.given = (url, token, options)
        if self.waits is not None:
            await self.waits.wait()
        if self.refuses is not None:
            raise ConnectError(self.refuses)
        self.connected = True

    async def disconnect(self) -> None:
        self.connected = False
        self.disconnects += 1

    def emit(self, event: str, *arguments: object) -> None:
        if event in self.handlers:
            asyncio.get_running_loop().call_soon(self.handlers[event], *arguments)

    def publish(self, identity: str, sid: str, **fields: object) -> FakePublication:
        """Somebody, who comes into the room where they are not in it yet, switches a camera on."""
        if identity not in self.remote_participants:
            self.remote_participants[identity] = FakeParticipant(identity)
            self.emit("participant_connected", self.remote_participants[identity])
        participant = self.remote_participants[identity]
        publication = FakePublication(sid, self, identity, **fields)  # type: ignore[arg-type]
        participant.track_publications[sid] = publication
        self.emit("track_published", publication, participant)
        return publication

    def unpublish(self, publication: FakePublication) -> None:
        participant = self.remote_participants[publication.identity]
        del participant.track_publications[publication.sid]
        self.emit("track_unpublished", publication, participant)

    def leave(self, identity: str) -> None:
        self.emit("participant_disconnected", self.remote_participants.pop(identity))


@dataclass
class FakeSdk:
    """Hands out `rooms` one after the other."""

    rooms: list[FakeRoom] = field(default_factory=lambda: [FakeRoom()])
    given: list[FakeRoom] = field(default_factory=list)
    connect_error: type[Exception] = ConnectError

    def room(self) -> FakeRoom:
        self.given.append(self.rooms.pop(0))
        return self.given[-1]

    def options(self, *, relay_only: bool) -> Mapping[str, bool]:
        return {"relay_only": relay_only}

    def stream(self, track: object) -> FakeStream:
        assert isinstance(track, FakeStream)
        return track

    def is_camera(self, publication: FakePublication) -> bool:
        return publication.kind == KIND_VIDEO and publication.source != SOURCE_SCREENSHARE

    def quality(self, layer: int) -> int:
        return layer

    def was_removed(self, reason: int) -> bool:
        return reason == PARTICIPANT_REMOVED

    def is_i420(self, picture: FakePicture) -> bool:
        return picture.type == I420
