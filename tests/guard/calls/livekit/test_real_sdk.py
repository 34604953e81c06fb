"""LiveKit's own SDK with its native library, against a small server of ours: signalling, media, loss and leaving.

Skipped where the SDK is not installed: pip install livekit livekit-protocol. Its media goes between this machine's own
addresses, since libwebrtc gathers no loopback candidates.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest
from aiortc.mediastreams import VideoStreamTrack
from av import VideoFrame
from pydantic import SecretStr

from guard.calls.call_source import CallSource
from guard.calls.source_registry import make_source
from guard.config import CallsConfig, SourceConfig
from tests.guard.calls.livekit.test_address import claims
from tests.whip_endpoint import Recorder, number_of, numbered_frames, until

pytest.importorskip("livekit.rtc", reason="LiveKit's SDK is not installed (extra [livekit])")
pytest.importorskip("livekit.protocol", reason="livekit-protocol is not installed")

from tests.livekit_server import LiveKitServer, running


class Camera(VideoStreamTrack):
    """Numbered pictures at 30 a second."""

    def __init__(self) -> None:
        super().__init__()
        self._next_picture = numbered_frames()

    async def recv(self) -> VideoFrame:
        pts, time_base = await self.next_timestamp()
        picture = self._next_picture()
        assert picture is not None
        picture.pts, picture.time_base = pts, time_base
        return picture


@asynccontextmanager
async def joining(server: LiveKitServer, listener: Recorder) -> AsyncIterator[CallSource]:
    settings = SourceConfig(url=f"{server.url}/standup", call="standup", token=SecretStr("key:" + "s" * 32))
    source = make_source(settings, CallsConfig(), listener, lambda _stats: None)
    await source.connect()
    try:
        yield source
    finally:
        await source.close()


async def test_two_cameras_are_seen_and_the_guard_leaves_in_good_order() -> None:
    listener = Recorder()
    async with running(LiveKitServer({"ann": Camera, "Ben B": Camera})) as server:
        async with joining(server, listener):
            await until(lambda: min(listener.received("ann"), listener.received("Ben-B")) >= 30, 60)
        await until(lambda: server.requests[-1] == "leave")
    for who in ("ann", "Ben-B"):
        frames = listener.take(who)
        numbers = [number for frame in frames if (number := number_of(frame)) is not None]
        assert len(numbers) == len(frames)
        assert all(after > before for before, after in pairwise(numbers))
        assert all(after.pts_seconds > before.pts_seconds for before, after in pairwise(frames))
        assert listener.of(who) == ["joined", "left"]
    video = claims(server.tokens[-1])["video"]
    assert (video["room"], video["canPublish"], video["hidden"]) == ("standup", False, False)


async def test_a_server_that_dies_is_come_back_to() -> None:
    listener = Recorder()
    async with running(LiveKitServer({"ann": Camera})) as server, joining(server, listener):
        await until(lambda: listener.received("ann") >= 5, 60)
        port = server.port
        await server.cut()
        seen = listener.received("ann")
        await until(lambda: listener.received("ann") > seen + 5 or listener.of("ann").count("joined") > 1, 60)
        assert server.port == port
    assert listener.of("ann")[-1] == "left"


async def test_nobody_home_is_waited_for() -> None:
    listener = Recorder()
    server = LiveKitServer({"ann": Camera})
    async with running(server):
        pass
    async with joining(server, listener) as source:
        await until(lambda: source.stats().why is not None, 60)
        assert "cannot be reached" in (source.stats().why or "")
        async with running(server):
            await until(lambda: listener.received("ann") >= 3, 60)
            await source.close()
            await asyncio.sleep(0)
