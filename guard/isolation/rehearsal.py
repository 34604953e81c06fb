"""One short call of a process with itself: libraries load parts of themselves only when they are used.

A worker that cannot open files any more could not load them. Nothing leaves the machine: both ends are on 127.0.0.1.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from aioice import ice
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription, VideoStreamTrack

from guard.calls.ice_hardening import LOOPBACK_ADDRESS
from guard.calls.offer import sending_videos
from guard.calls.receiving_peer import ReceivingPeer
from guard.calls.source import LatestFrames
from guard.config import CallsConfig

_SECONDS = 20.0


class _FirstFrame:
    """A listener that waits for one frame."""

    def __init__(self) -> None:
        self.came = asyncio.Event()

    def participant_joined(self, _call: str, _participant: str) -> LatestFrames:
        loop = asyncio.get_running_loop()
        # Frames come from the thread that decodes them.
        return LatestFrames(1, on_ready=partial(loop.call_soon_threadsafe, self.came.set))

    def participant_left(self, call: str, participant: str, why: str) -> None:
        """Nothing depends on it."""


async def rehearse() -> None:
    """Send a video, receive it, decode its first frame. Raises TimeoutError where that does not work."""
    listener = _FirstFrame()
    with _loopback_only():
        sender = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        receiver = ReceivingPeer("rehearsal", CallsConfig(), listener)
        try:
            async with asyncio.timeout(_SECONDS):
                sender.addTransceiver(VideoStreamTrack(), direction="sendonly")
                await sender.setLocalDescription()
                offer = sender.localDescription.sdp
                answer = await receiver.answer(offer, {sending_videos(offer)[0]: "myself"})
                await sender.setRemoteDescription(RTCSessionDescription(answer, "answer"))
                await listener.came.wait()
        finally:
            await asyncio.gather(receiver.end("it works"), sender.close())


@contextmanager
def _loopback_only() -> Iterator[None]:
    stock = ice.get_host_addresses

    def loopback(use_ipv4: bool, use_ipv6: bool) -> list[str]:  # noqa: ARG001 - called by these names
        return [LOOPBACK_ADDRESS]

    ice.get_host_addresses = loopback
    try:
        yield
    finally:
        ice.get_host_addresses = stock
