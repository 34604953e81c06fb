"""A WHIP client: publishes pictures that a function delivers, as one participant of a call."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from fractions import Fraction
from types import TracebackType
from typing import Any, Self, TypeAlias

from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpSender, RTCSessionDescription
from aiortc.codecs.h264 import H264Encoder
from aiortc.codecs.vpx import Vp8Encoder
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from av import Packet, VideoFrame

from guard.calls.bounded_close import close_within
from guard.calls.ice_hardening import install_loopback_candidates
from guard.calls.rtp_clock import VIDEO_CLOCK_HZ
from guard.calls.whip_client import end_session, post_offer
from guard.errors import ServerError

ENCODER = "_RTCRtpSender__encoder"
DEFAULT_BITRATE_BPS = 800_000
_CLOSE_SECONDS = 5.0
_CONNECT_SECONDS = 15.0

Picture: TypeAlias = "VideoFrame | Packet[Any]"
"""A picture to be encoded, or one that is encoded already."""

NextFrame: TypeAlias = "Callable[[], Picture | None]"
"""Delivers a new picture each time, None at the end. Called in a worker thread, never twice at once."""

ExchangeSdp: TypeAlias = "Callable[[str, str, str], tuple[str, str]]"
"""Sends an offer: URL, token, offer -> URL of the session, answer. Called in a worker thread."""


class WhipPublisher:
    """Publishes one video track to `url` (`.../whip/{call}/{participant}`); `async with` starts and stops it.

    Frames are taken `fps` times a second; what comes late is skipped, as a camera would. The bit rate is held fixed:
    aiortc would restart its encoder, with a keyframe, whenever the receiver's estimate moves.
    """

    def __init__(
        self,
        url: str,
        token: str,
        next_frame: NextFrame,
        *,
        fps: float = 30.0,
        bitrate_bps: int = DEFAULT_BITRATE_BPS,
        codec: str = "VP8",
        loopback: bool = False,
        exchange: ExchangeSdp = post_offer,
    ) -> None:
        self._url = url
        self._token = token
        self._track = _PacedTrack(next_frame, fps)
        self._bitrate_bps = bitrate_bps
        self._codec = codec
        self._exchange = exchange
        self._session_url: str | None = None
        self._connection: RTCPeerConnection | None = None
        if loopback:
            install_loopback_candidates()

    async def start(self) -> None:
        """Connect and begin to send. Raises ServerError where the guard cannot be reached or refuses."""
        self._connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        try:
            await self._negotiate(self._connection)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop sending and end the session; a guard that is gone by now is no error."""
        connection, self._connection = self._connection, None
        session_url, self._session_url = self._session_url, None
        self._track.stop()
        if session_url is not None:
            await asyncio.to_thread(end_session, session_url, self._token)
        if connection is not None:
            await close_within(connection, _CLOSE_SECONDS)

    async def wait_ended(self) -> None:
        """Wait until there are no more pictures; raises what the frame source raised."""
        await self._track.ended.wait()
        if self._track.failure is not None:
            raise self._track.failure

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def _negotiate(self, connection: RTCPeerConnection) -> None:
        transceiver = connection.addTransceiver(self._track, direction="sendonly")
        wanted = (f"video/{self._codec}".lower(), "video/rtx")
        capabilities = RTCRtpSender.getCapabilities("video")
        if capabilities is None:
            raise ServerError("this aiortc offers no video codec; reinstall it")
        transceiver.setCodecPreferences([c for c in capabilities.codecs if c.mimeType.lower() in wanted])
        setattr(transceiver.sender, ENCODER, _ENCODERS[self._codec](self._bitrate_bps))
        settled = asyncio.Event()

        @connection.on("connectionstatechange")
        def settle() -> None:
            if connection.connectionState in ("connected", "failed", "closed"):
                settled.set()

        await connection.setLocalDescription()
        self._session_url, answer_sdp = await asyncio.to_thread(
            self._exchange, self._url, self._token, connection.localDescription.sdp
        )
        await connection.setRemoteDescription(RTCSessionDescription(answer_sdp, "answer"))
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                await settled.wait()
        except TimeoutError as error:
            raise ServerError("the media connection to the guard did not come up; check firewall and NAT") from error
        if connection.connectionState != "connected":
            raise ServerError("the media connection to the guard failed; check firewall and NAT")


class _PacedTrack(MediaStreamTrack):
    kind = "video"

    def __init__(self, next_frame: NextFrame, fps: float) -> None:
        super().__init__()
        self._next_frame = next_frame
        self._fps = fps
        self._start: float | None = None
        self._tick = 0
        self.ended = asyncio.Event()
        self.failure: Exception | None = None

    async def recv(self) -> Picture:
        if self.readyState != "live":
            raise MediaStreamError
        await self._wait_for_tick()
        try:
            frame = await asyncio.to_thread(self._next_frame)
        except Exception as error:
            self.failure = error
            self.stop()
            raise MediaStreamError from error
        if frame is None:
            self.stop()
            raise MediaStreamError
        frame.pts = round(self._tick * VIDEO_CLOCK_HZ / self._fps)
        frame.time_base = Fraction(1, VIDEO_CLOCK_HZ)
        return frame

    def stop(self) -> None:
        super().stop()
        self.ended.set()

    async def _wait_for_tick(self) -> None:
        now = time.monotonic()
        if self._start is None:
            self._start = now
            return
        # Ticks that have passed already are left out, so that a slow source lowers the rate, not the liveness.
        self._tick = max(self._tick + 1, int((now - self._start) * self._fps))
        await asyncio.sleep(max(0.0, self._start + self._tick / self._fps - now))


class _FixedRate:
    """Makes one of aiortc's encoders deaf to the receiver's bandwidth estimate."""

    def __init__(self, bitrate_bps: int) -> None:
        super().__init__()
        self._bitrate_bps = bitrate_bps

    @property
    def target_bitrate(self) -> int:
        return self._bitrate_bps

    @target_bitrate.setter
    def target_bitrate(self, bitrate: int) -> None:
        """Stay at the fixed rate."""


class _FixedRateVp8Encoder(_FixedRate, Vp8Encoder):
    pass


class _FixedRateH264Encoder(_FixedRate, H264Encoder):
    pass


_ENCODERS: dict[str, Callable[[int], Vp8Encoder | H264Encoder]] = {
    "VP8": _FixedRateVp8Encoder,
    "H264": _FixedRateH264Encoder,
}
