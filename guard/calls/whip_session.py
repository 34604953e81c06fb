"""One publisher: from its SDP offer to the end of its video, with exactly one `participant_left` per join."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable
from functools import partial

from aiortc import RTCConfiguration, RTCDtlsTransport, RTCPeerConnection, RTCRtpTransceiver, RTCSessionDescription
from aiortc.codecs import is_rtx
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from av import VideoFrame

from guard.calls.bounded_close import close_within
from guard.calls.receiver_tap import ReceiverTap, limit_ssrcs
from guard.calls.source import CallListener
from guard.config import CallsConfig
from guard.errors import SignallingError

_LOG = logging.getLogger(__name__)
# From the answer to the end of the DTLS handshake. aioice itself waits without end for further candidates.
SETUP_SECONDS = 20.0
_NEGOTIATION_SECONDS = 10.0
# Chromium starts at 300 kbit/s and needs seconds to climb; this is enough for 640x360 from the first frame on.
START_BITRATE_KBPS = 800

_BAD_REQUEST = 400
_UNAVAILABLE = 503


class WhipSession:
    """Owns a peer connection, drains its video track into the listener's queue, and cleans up once.

    Everything runs on one event loop. `end` may be called at any time, by anybody, any number of times.
    """

    def __init__(
        self,
        call: str,
        participant: str,
        config: CallsConfig,
        listener: CallListener,
        on_ended: Callable[[WhipSession], None],
    ) -> None:
        self.call = call
        self.participant = participant
        self.session_id = secrets.token_urlsafe(16)
        self._config = config
        self._listener = listener
        self._on_ended = on_ended
        # Without an explicit empty list aiortc asks a public STUN server for every connection.
        self._connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._connected = asyncio.Event()
        self._joined = False
        self._last_frame_seconds: float | None = None
        self._receiving: asyncio.Task[None] | None = None
        self._setup_timer: asyncio.TimerHandle | None = None
        self._ending: asyncio.Task[None] | None = None

    @property
    def is_stalled(self) -> bool:
        """True where the connection stands but no frame has come for the configured time."""
        if self._last_frame_seconds is None:
            return False
        return time.monotonic() - self._last_frame_seconds > self._config.stalled_seconds

    async def answer(self, offer_sdp: str) -> str:
        """Answer an offer that `check_offer` has passed.

        Raises SignallingError where aiortc refuses it; the caller then ends the session.
        """
        try:
            async with asyncio.timeout(_NEGOTIATION_SECONDS):
                await self._connection.setRemoteDescription(RTCSessionDescription(offer_sdp, "offer"))
                self._receive_first_video()
                await self._connection.setLocalDescription()
        except TimeoutError as error:
            raise SignallingError("the connection could not be set up in time; try again", _UNAVAILABLE) from error
        # aiortc answers bad offers with whatever error they lead to, down to KeyError and AssertionError.
        except Exception as error:
            raise SignallingError(f"the offer cannot be accepted ({type(error).__name__})", _BAD_REQUEST) from error
        if self._ending is not None:
            raise SignallingError("the connection was ended during its set-up; try again", _UNAVAILABLE)
        answer_sdp = self._connection.localDescription.sdp
        if "a=candidate:" not in answer_sdp:
            raise SignallingError(
                "this machine has no network address for media; set calls.loopback for calls on this machine only",
                _UNAVAILABLE,
            )
        self._setup_timer = asyncio.get_running_loop().call_later(SETUP_SECONDS, self._give_up_setup)
        return answer_sdp

    async def end(self, why: str) -> None:
        """End the session and wait until all of it is gone, at most a little longer than `close_seconds`."""
        await asyncio.shield(self.end_soon(why))

    def end_soon(self, why: str) -> asyncio.Task[None]:
        """Start the end without waiting; the first reason is the one that the listener hears."""
        if self._ending is None:
            self._ending = asyncio.create_task(self._shut(why), name=f"end of {self.session_id}")
        return self._ending

    def _receive_first_video(self) -> None:
        """Take the first sending video section, refuse every other: no audio, no second picture."""
        chosen: RTCRtpTransceiver | None = None
        for transceiver in self._connection.getTransceivers():
            if chosen is None and transceiver.kind == "video" and transceiver.receiver.track is not None:
                chosen = transceiver
            else:
                transceiver.direction = "inactive"
        if chosen is None:
            raise ValueError("no video track came out of the offer")
        for codec in chosen._codecs:
            if not is_rtx(codec):
                codec.parameters["x-google-start-bitrate"] = START_BITRATE_KBPS
        tap = ReceiverTap(
            chosen.receiver,
            self._config,
            on_oversize=lambda: self._end_without_waiting("the video is larger than this guard accepts"),
        )
        transport = chosen.receiver.transport
        limit_ssrcs(transport._rtp_router)
        follow = partial(self._follow_connection, transport)
        transport.on("statechange", follow)
        self._connection.on("connectionstatechange", follow)
        self._receiving = asyncio.create_task(
            self._receive(chosen.receiver.track, tap), name=f"video of {self.session_id}"
        )
        self._receiving.add_done_callback(self._after_receiving)

    def _follow_connection(self, transport: RTCDtlsTransport) -> None:
        # The transport counts as connected only once the DTLS fingerprint was found to be the one of the offer.
        if transport.state == "connected":
            self._connected.set()
        if self._connection.connectionState == "failed":
            self._end_without_waiting("the connection failed")
        elif self._connection.connectionState == "closed":
            self._end_without_waiting("the connection was closed by the peer")

    async def _receive(self, track: MediaStreamTrack, tap: ReceiverTap) -> None:
        await self._connected.wait()
        self._last_frame_seconds = time.monotonic()
        frames = self._listener.participant_joined(self.call, self.participant)
        self._joined = True
        patience = self._config.frozen_seconds
        clock = asyncio.get_running_loop().time
        try:
            async with asyncio.timeout(patience) as frozen:
                while True:
                    image = await track.recv()
                    if isinstance(image, VideoFrame) and (frame := tap.received(image)) is not None:
                        frozen.reschedule(clock() + patience)
                        self._last_frame_seconds = frame.arrival_seconds
                        frames.push(frame)
        except MediaStreamError:
            return
        except TimeoutError:
            self._end_without_waiting(f"no video for {patience:g} s")

    def _after_receiving(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            return
        error = task.exception()
        if error is None:
            self._end_without_waiting("the video ended")
        else:
            _LOG.error("receiving %s/%s stopped on an error", self.call, self.participant, exc_info=error)
            self._end_without_waiting("the guard had an internal error while receiving")

    def _give_up_setup(self) -> None:
        if not self._connected.is_set():
            self._end_without_waiting(f"no connection within {SETUP_SECONDS:.0f} s")

    def _end_without_waiting(self, why: str) -> None:
        self.end_soon(why)

    async def _shut(self, why: str) -> None:
        if self._setup_timer is not None:
            self._setup_timer.cancel()
        try:
            if self._receiving is not None:
                self._receiving.cancel()
                await asyncio.wait({self._receiving})
            if self._joined:
                self._listener.participant_left(self.call, self.participant, why)
        finally:
            await close_within(self._connection, self._config.close_seconds)
            self._on_ended(self)
