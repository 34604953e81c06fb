"""The part of LiveKit's SDK that the guard uses, as it is there: names, arguments and events of `livekit` 1.x.

The only module that imports it. tests/guard/calls/livekit/test_sdk_contract.py holds it against the installed SDK.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from importlib import import_module
from typing import Any, Protocol

from guard.errors import ConfigError


class Publication(Protocol):
    """`rtc.RemoteTrackPublication`. What it says of kind, source and size is its publisher's claim."""

    sid: str
    kind: int
    source: int
    muted: bool
    simulcasted: bool
    height: int

    def set_subscribed(self, subscribed: bool) -> None: ...

    def set_video_quality(self, quality: int) -> None: ...


class Participant(Protocol):
    """`rtc.RemoteParticipant`."""

    identity: str
    track_publications: Mapping[str, Publication]


class Picture(Protocol):
    """`rtc.VideoFrame`; the planes lie one after the other without padding."""

    width: int
    height: int
    type: int
    data: memoryview


class PictureEvent(Protocol):
    """`rtc.VideoFrameEvent`."""

    frame: Picture
    timestamp_us: int
    rotation: int


class PictureStream(Protocol):
    """`rtc.VideoStream`."""

    def __aiter__(self) -> AsyncIterator[PictureEvent]: ...

    async def aclose(self) -> None: ...


class Room(Protocol):
    """`rtc.Room`. Handlers are called on the event loop and must not block."""

    remote_participants: Mapping[str, Participant]

    def on(self, event: str, callback: Callable[..., None]) -> Callable[..., None]: ...

    async def connect(self, url: str, token: str, options: object) -> None: ...

    async def disconnect(self) -> None: ...


class Sdk(Protocol):
    """What is made anew for every visit, and what numbers mean."""

    connect_error: type[Exception]

    def room(self) -> Room: ...

    def options(self, *, relay_only: bool) -> object: ...

    def stream(self, track: object) -> PictureStream: ...

    def is_camera(self, publication: Publication) -> bool: ...

    def quality(self, layer: int) -> int:
        """The simulcast layer: 0 the smallest, 2 the largest."""

    def was_removed(self, reason: int) -> bool:
        """Whether somebody put us out of the room."""

    def is_i420(self, picture: Picture) -> bool: ...


QUEUED_PICTURES = 4
"""Decoded pictures that may wait in the SDK; the oldest go, which shows as a longer step of their time stamps."""
CONNECT_SECONDS = 5.0


class InstalledSdk:
    """The SDK itself. Raises ConfigError where it is not installed."""

    def __init__(self) -> None:
        try:
            self._rtc: Any = import_module("livekit.rtc")
        except ImportError as error:
            raise ConfigError(
                f"livekit:// needs LiveKit's SDK ({error}); run: pip install 'whodrives[livekit]'"
            ) from error
        self.connect_error: type[Exception] = self._rtc.ConnectError

    def room(self) -> Room:
        """A room that nobody has joined yet; to be called on the event loop."""
        room: Room = self._rtc.Room()
        return room

    def options(self, *, relay_only: bool) -> object:
        """Nothing is subscribed by itself: the guard takes cameras, and no more of them than it has seats."""
        rtc = self._rtc
        kind = rtc.IceTransportType.TRANSPORT_RELAY if relay_only else rtc.IceTransportType.TRANSPORT_ALL
        return rtc.RoomOptions(
            auto_subscribe=False,
            dynacast=False,
            rtc_config=rtc.RtcConfiguration(ice_transport_type=kind),
            connect_timeout=CONNECT_SECONDS,
        )

    def stream(self, track: object) -> PictureStream:
        """Decoded pictures of a track, I420."""
        rtc = self._rtc
        stream: PictureStream = rtc.VideoStream(track, capacity=QUEUED_PICTURES, format=rtc.VideoBufferType.I420)
        return stream

    def is_camera(self, publication: Publication) -> bool:
        """False for sound and for shared screens."""
        rtc = self._rtc
        is_screen = publication.source == rtc.TrackSource.SOURCE_SCREENSHARE
        return bool(publication.kind == rtc.TrackKind.KIND_VIDEO) and not is_screen

    def quality(self, layer: int) -> int:
        """The simulcast layer: 0 the smallest, 2 the largest."""
        qualities = self._rtc.VideoQuality
        names = ("VIDEO_QUALITY_LOW", "VIDEO_QUALITY_MEDIUM", "VIDEO_QUALITY_HIGH")
        return int(getattr(qualities, names[layer]))

    def was_removed(self, reason: int) -> bool:
        """Whether somebody put us out of the room."""
        return bool(reason == self._rtc.DisconnectReason.PARTICIPANT_REMOVED)

    def is_i420(self, picture: Picture) -> bool:
        """Whether it is what was asked for."""
        return bool(picture.type == self._rtc.VideoBufferType.I420)
