"""One peer connection that only receives video: what a WHIP publisher, a WHEP resource and an SFU have in common."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from functools import partial

from aiortc import (
    RTCDtlsTransport,
    RTCPeerConnection,
    RTCRtpCodecCapability,
    RTCRtpReceiver,
    RTCRtpTransceiver,
    RTCSessionDescription,
)
from aiortc.codecs import get_capabilities
from aiortc.rtcrtpreceiver import RemoteStreamTrack

from guard.calls.bounded_close import close_within
from guard.calls.ice_hardening import install_datagram_filter, install_loopback_candidates
from guard.calls.ice_servers import rtc_configuration
from guard.calls.media_path import MediaPath
from guard.calls.offer import declared_ssrcs
from guard.calls.received_stream import ReceivedStream
from guard.calls.receiver_tap import MAX_SSRCS, limit_ssrcs
from guard.calls.rtp_hardening import contain_packet_errors
from guard.calls.source import CallListener
from guard.calls.start_bitrate import with_start_bitrate
from guard.config import CallsConfig
from guard.errors import SignallingError

# From the answer to the end of the DTLS handshake. aioice itself waits without end for further candidates.
SETUP_SECONDS = 20.0
_NEGOTIATION_SECONDS = 10.0
RECEIVER_OF_TRANSCEIVER = "_RTCRtpTransceiver__receiver"

_BAD_REQUEST = 400
_UNAVAILABLE = 503


class ReceivingPeer:
    """Owns one peer connection and a stream per participant whose video comes through it.

    Media sections are told apart by their mid (RFC 8843). There may be one of them, or, with `multistream`, many that
    come and go by renegotiation; those must announce their SSRCs, and what was not announced is dropped, so that no
    packet can end up with the wrong participant.

    Everything runs on one event loop. `end` may be called at any time, by anybody, any number of times; the first
    reason is the one that the listener hears. `on_ended` is called once, when all of it is gone.
    """

    def __init__(
        self,
        call: str,
        config: CallsConfig,
        listener: CallListener,
        *,
        multistream: bool = False,
        on_stream_ended: Callable[[str, str, str], None] | None = None,
        on_ended: Callable[[str], None] | None = None,
    ) -> None:
        """`on_stream_ended(mid, participant, why)` hears of every stream; without it, a stream's end ends the peer.

        Installs the process-wide ICE datagram filter.
        """
        prepare_process(config)
        self._call = call
        self._config = config
        self._listener = listener
        self._multistream = multistream
        self._on_stream_ended = on_stream_ended
        self._on_ended = on_ended
        self._connection = RTCPeerConnection(rtc_configuration(config))
        self._connection.on("connectionstatechange", self._follow_connection)
        self._connected = asyncio.Event()
        self._transport: RTCDtlsTransport | None = None
        self._streams: dict[str, ReceivedStream] = {}
        self._used: set[RTCRtpReceiver] = set()
        self._retiring: set[asyncio.Task[None]] = set()
        self._setup_timer: asyncio.TimerHandle | None = None
        self._ending: asyncio.Task[None] | None = None

    @property
    def streams(self) -> Mapping[str, ReceivedStream]:
        """The streams under way, by mid."""
        return self._streams

    @property
    def is_connected(self) -> bool:
        """True from the end of the DTLS handshake on, with a peer whose fingerprint is the announced one."""
        return self._connected.is_set()

    @property
    def is_ending(self) -> bool:
        """True from the first reason to end on."""
        return self._ending is not None

    async def wait_connected(self) -> None:
        """Return when `is_connected` holds; waits for ever where the peer ends before."""
        await self._connected.wait()

    async def answer(self, offer_sdp: str, participants: Mapping[str, str]) -> str:
        """Answer an offer that `check_offer` has passed: the first one, or a renegotiation.

        `participants` says, by mid, whose video to receive. A stream that goes on is left alone; one whose mid is gone
        or has another participant ends; every section that nobody is named for is refused.

        Raises SignallingError where the offer cannot be accepted; after the first offer the caller then ends the peer.
        """
        leaving = [
            stream.end("the participant left")
            for mid, stream in self._streams.items()
            if participants.get(mid) != stream.participant
        ]
        await asyncio.gather(*leaving)
        try:
            async with asyncio.timeout(_NEGOTIATION_SECONDS):
                await self._connection.setRemoteDescription(RTCSessionDescription(offer_sdp, "offer"))
                # Nothing is received before the answer is set: whatever taps a receiver is in place by then.
                self._receive(participants, offer_sdp)
                await self._connection.setLocalDescription()
        except TimeoutError as error:
            raise SignallingError("the connection could not be set up in time; try again", _UNAVAILABLE) from error
        except SignallingError:
            raise
        # aiortc answers bad offers with whatever error they lead to, down to KeyError and AssertionError.
        except Exception as error:
            raise SignallingError(f"the offer cannot be accepted ({type(error).__name__})", _BAD_REQUEST) from error
        return self._negotiated()

    async def offer(self) -> str:
        """Offer to receive one video. Raises SignallingError where this machine has no address for media."""
        transceiver = self._connection.addTransceiver("video", direction="recvonly")
        transceiver.setCodecPreferences(_wanted_codecs())
        try:
            async with asyncio.timeout(_NEGOTIATION_SECONDS):
                await self._connection.setLocalDescription()
        except TimeoutError as error:
            raise SignallingError("no network address for media was found in time", _UNAVAILABLE) from error
        return self._local_sdp()

    async def accept_answer(self, answer_sdp: str, participant: str) -> None:
        """Take the answer, which `check_answer` has passed, to the own offer.

        Raises SignallingError where it does not fit the offer; the caller then ends the peer.
        """
        try:
            async with asyncio.timeout(_NEGOTIATION_SECONDS):
                await self._connection.setRemoteDescription(RTCSessionDescription(answer_sdp, "answer"))
            [transceiver] = self._connection.getTransceivers()
            self._receive({str(transceiver.mid): participant}, answer_sdp)
        except Exception as error:
            raise SignallingError(f"the answer cannot be accepted ({type(error).__name__})", _BAD_REQUEST) from error
        self._negotiated()

    async def end_stream(self, mid: str, why: str) -> None:
        """End one participant's stream, if it is there, and leave the others alone."""
        if (stream := self._streams.get(mid)) is not None:
            await stream.end(why)

    async def end(self, why: str) -> None:
        """End everything and wait until all of it is gone, at most a little longer than `close_seconds`."""
        await asyncio.shield(self.end_soon(why))

    def end_soon(self, why: str) -> asyncio.Task[None]:
        """Start the end without waiting."""
        if self._ending is None:
            self._ending = asyncio.create_task(self._shut(why), name=f"end of a peer of {self._call}")
        return self._ending

    def _receive(self, participants: Mapping[str, str], remote_sdp: str) -> None:
        """Start the streams that `participants` names anew, and refuse every section that it does not name."""
        transceivers = self._connection.getTransceivers()
        if transceivers and not participants:
            # Nobody can be received yet, but the connection will stand before the first stream that can.
            self._follow_transport(transceivers[0].receiver.transport)
        for transceiver in transceivers:
            mid = str(transceiver.mid)
            if mid not in participants:
                transceiver.direction = "inactive"
            elif mid not in self._streams:
                transceiver.direction = "recvonly"
                self._start_stream(mid, participants[mid], transceiver)
        if missing := set(participants) - set(self._streams):
            raise ValueError(f"no video track came out of {len(missing)} media sections")
        if self._multistream:
            self._route_announced_ssrcs(remote_sdp)

    def _start_stream(self, mid: str, participant: str, transceiver: RTCRtpTransceiver) -> None:
        receiver = self._fresh_receiver(transceiver)
        if transceiver.kind != "video" or receiver.track is None:
            raise ValueError("the media section sends no video")
        self._follow_transport(receiver.transport)
        self._used.add(receiver)
        self._streams[mid] = ReceivedStream(
            self._call,
            participant,
            receiver,
            self._connected,
            self._config,
            self._listener,
            partial(self._after_stream, mid),
        )

    def _fresh_receiver(self, transceiver: RTCRtpTransceiver) -> RTCRtpReceiver:
        """The transceiver's receiver, replaced where it has had a stream: aiortc's cannot start a second time."""
        used = transceiver.receiver
        if used not in self._used:
            return used
        receiver = RTCRtpReceiver(transceiver.kind, used.transport)
        receiver._set_rtcp_ssrc(transceiver.sender._ssrc)
        receiver._track = RemoteStreamTrack(kind=transceiver.kind)
        setattr(transceiver, RECEIVER_OF_TRANSCEIVER, receiver)
        self._used.discard(used)
        return receiver

    def _follow_transport(self, transport: RTCDtlsTransport) -> None:
        if self._transport is None:
            self._transport = transport
            limit_ssrcs(transport._rtp_router, 0 if self._multistream else MAX_SSRCS)
            contain_packet_errors(transport)
            MediaPath(transport)
            transport.on("statechange", self._follow_connection)
        elif transport is not self._transport:
            raise SignallingError("the offer's videos are not bundled (a=group:BUNDLE); bundle them", _BAD_REQUEST)

    def _route_announced_ssrcs(self, remote_sdp: str) -> None:
        """aiortc routes by the first SSRC of a section only, and retransmissions not at all once there are several."""
        for mid, ssrcs in declared_ssrcs(remote_sdp).items():
            if (stream := self._streams.get(mid)) is not None:
                for ssrc in ssrcs:
                    stream.receiver.transport._rtp_router.ssrc_table[ssrc] = stream.receiver

    def _negotiated(self) -> str:
        if self._ending is not None:
            raise SignallingError("the connection was ended during its set-up; try again", _UNAVAILABLE)
        if self._setup_timer is None:
            self._setup_timer = asyncio.get_running_loop().call_later(SETUP_SECONDS, self._give_up_setup)
        return self._local_sdp()

    def _local_sdp(self) -> str:
        sdp = self._connection.localDescription.sdp
        if "a=candidate:" not in sdp:
            # aioice says nothing of a TURN server that is not there or refuses the password.
            remedy = (
                "check the TURN server and its password in calls.ice_servers"
                if self._config.relay_only
                else "set calls.loopback for calls on this machine only"
            )
            raise SignallingError(f"this machine has no network address for media; {remedy}", _UNAVAILABLE)
        return with_start_bitrate(sdp)

    def _follow_connection(self) -> None:
        # The transport counts as connected only once the DTLS fingerprint was found to be the announced one.
        if self._transport is not None and self._transport.state == "connected":
            self._connected.set()
        if self._connection.connectionState == "failed":
            self.end_soon("the connection failed")
        elif self._connection.connectionState == "closed":
            self.end_soon("the connection was closed by the peer")

    def _give_up_setup(self) -> None:
        if not self._connected.is_set():
            self.end_soon(f"no connection within {SETUP_SECONDS:.0f} s")

    def _after_stream(self, mid: str, stream: ReceivedStream, why: str) -> None:
        if self._streams.get(mid) is stream:
            del self._streams[mid]
        if self._on_stream_ended is not None:
            self._on_stream_ended(mid, stream.participant, why)
        else:
            self.end_soon(why)
        if self._ending is None:
            retiring = asyncio.create_task(stream.receiver.stop(), name=f"stop of {self._call}/{stream.participant}")
            self._retiring.add(retiring)
            retiring.add_done_callback(self._retiring.discard)

    async def _shut(self, why: str) -> None:
        if self._setup_timer is not None:
            self._setup_timer.cancel()
        try:
            await asyncio.gather(*(stream.end(why) for stream in self._streams.values()))
            if self._retiring:
                await asyncio.wait(self._retiring, timeout=self._config.close_seconds)
        finally:
            for stopping in self._retiring:
                stopping.cancel()
            await close_within(self._connection, self._config.close_seconds)
            if self._on_ended is not None:
                self._on_ended(why)


def _wanted_codecs() -> list[RTCRtpCodecCapability]:
    """What can be decoded, H.264 before VP8: libavcodec takes a third less time for it (guard/bench/README.md)."""
    return sorted(get_capabilities("video").codecs, key=lambda codec: codec.mimeType.lower() != "video/h264")


def prepare_process(config: CallsConfig) -> None:
    """What has to hold for the whole process before it makes its first peer connection. Idempotent."""
    # At DEBUG it logs offers and answers, and with them the addresses of people.
    logging.getLogger("aiortc.rtcpeerconnection").setLevel(logging.INFO)
    install_datagram_filter()
    if config.loopback:
        install_loopback_candidates()
