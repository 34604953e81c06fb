"""What aiortc keeps to itself about a received stream, taken over at one receiver.

aiortc 1.16 has no public seam between depayloading and decoding, and it throws the sender reports away. This module
is the only one that touches its private attributes; tests/guard/calls/test_aiortc_contract.py pins them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from queue import Queue
from threading import Event
from typing import TYPE_CHECKING

from aiortc.jitterbuffer import JitterFrame
from aiortc.rtcdtlstransport import RtpReceiver, RtpRouter
from aiortc.rtp import AnyRtcpPacket, RtcpSrPacket, RtpPacket

from guard.calls.decoder_account import DecoderAccount
from guard.calls.encoded_stream import EncodedStream, StreamStep
from guard.calls.jitter_buffer import MediaPacket
from guard.calls.rate_limit import TokenBucket
from guard.calls.rtp_clock import RtpClock
from guard.calls.rtp_hardening import bound_reports
from guard.calls.source import ReceivedFrame
from guard.config import CallsConfig

if TYPE_CHECKING:
    from aiortc import RTCRtpReceiver
    from aiortc.rtcrtpparameters import RTCRtpCodecParameters
    from av import VideoFrame

JITTER_BUFFER = "_RTCRtpReceiver__jitter_buffer"
NACK_GENERATOR = "_RTCRtpReceiver__nack_generator"
DECODER_QUEUE = "_RTCRtpReceiver__decoder_queue"
DECODER_ERROR = "_RTCRtpReceiver__decoder_error"
CODECS = "_RTCRtpReceiver__codecs"
HANDLE_RTP = "_handle_rtp_packet"
HANDLE_RTCP = "_handle_rtcp_packet"

# Media, retransmission, and what an SFU may add after a renegotiation. aiortc keeps statistics for every SSRC it
# ever saw, and from about 57 on its report overflows the SRTCP buffer, which makes `close()` hang for ever.
MAX_SSRCS = 8
_TICK_SECONDS = 0.05


class ReceiverTap:
    """Attached to one video receiver before media flows: our jitter buffer and limits, media and capture time.

    Stands where aiortc's jitter buffer stood, and asks for lost packets and keyframes in its place.
    """

    def __init__(self, receiver: RTCRtpReceiver, config: CallsConfig, on_oversize: Callable[[], None]) -> None:
        self._receiver = receiver
        self._on_oversize = on_oversize
        self._codecs: dict[int, RTCRtpCodecParameters] = getattr(receiver, CODECS)
        self._decoder_queue: Queue[object] = getattr(receiver, DECODER_QUEUE)
        self._decoder_error: Event = getattr(receiver, DECODER_ERROR)
        self._stream = EncodedStream(config, lambda payload_type: str(self._codecs[payload_type].name))
        self._account = DecoderAccount()
        self._packet_rate = TokenBucket(config.max_packets_per_second)
        self._byte_rate = TokenBucket(config.max_bitrate_bps / 8)
        self._clock = RtpClock()
        self._clock_ssrc: int | None = None
        self._nack: set[int] = set()
        self._wants_keyframe = False
        self._ticking: asyncio.Task[None] | None = None
        self.over_rate = 0
        """Packets dropped because the peer sent more than it may."""
        setattr(receiver, JITTER_BUFFER, self)
        # It would ask for all that it misses whenever it misses something more.
        setattr(receiver, NACK_GENERATOR, None)
        setattr(receiver, HANDLE_RTP, self._limit_rate(receiver._handle_rtp_packet))
        setattr(receiver, HANDLE_RTCP, self._tap_sender_reports(receiver._handle_rtcp_packet))
        bound_reports(receiver)

    @property
    def stream(self) -> EncodedStream:
        """What happens before the decoder, for its counters."""
        return self._stream

    def add(self, packet: RtpPacket) -> tuple[bool, JitterFrame | None]:
        """Take a depayloaded packet, as aiortc's jitter buffer would.

        Says that there is nothing to do for aiortc, which would give the frame the codec of the packet that completed
        it, and could take no more than one.
        """
        media = MediaPacket(
            packet.sequence_number,
            packet.timestamp,
            bool(packet.marker),
            packet.payload_type,
            packet._data,  # type: ignore[attr-defined]
        )
        self._heed_decoder()
        self._apply(self._stream.add(packet.ssrc, media, self._decoder_queue.qsize(), time.monotonic()))
        return False, None

    def received(self, frame: VideoFrame) -> ReceivedFrame | None:
        """Wrap the next decoded frame; None where it must not be used."""
        sent = None if frame.pts is None else self._account.receive(frame.pts, is_corrupt=frame.is_corrupt)
        if sent is None:
            self._stream.decoder_failed()
            self._keep_time()
            return None
        if sent.ssrc != self._clock_ssrc:
            if self._clock_ssrc is not None:
                self._clock.restart()
            self._clock_ssrc = sent.ssrc
        return ReceivedFrame(
            image=frame,
            pts_seconds=self._clock.pts_seconds(sent.timestamp),
            arrival_seconds=time.monotonic(),
            capture_seconds=self._clock.capture_seconds(sent.timestamp),
            after_gap=sent.after_gap,
            complete_seconds=sent.complete_seconds,
        )

    def _limit_rate(
        self, stock: Callable[[RtpPacket, int], Awaitable[None]]
    ) -> Callable[[RtpPacket, int], Awaitable[None]]:
        async def limited(packet: RtpPacket, arrival_time_ms: int) -> None:
            now = time.monotonic()
            if not (self._packet_rate.take(1, now) and self._byte_rate.take(len(packet.payload), now)):
                self.over_rate += 1
                return
            await stock(packet, arrival_time_ms)
            await self._send_feedback()

        return limited

    def _heed_decoder(self) -> None:
        if self._decoder_error.is_set():
            self._decoder_error.clear()
            self._stream.decoder_failed()

    def _apply(self, step: StreamStep) -> None:
        for frame in step.frames:
            encoded = JitterFrame(frame.data, timestamp=self._account.send(frame))
            self._decoder_queue.put((self._codecs[frame.payload_type], encoded))
        self._nack.update(step.nack)
        self._wants_keyframe |= step.wants_keyframe
        if step.is_oversize:
            self._on_oversize()
        self._keep_time()

    def _keep_time(self) -> None:
        """Let the stream's time pass while it waits for something, whether packets come or not."""
        if self._stream.is_waiting and (self._ticking is None or self._ticking.done()):
            self._ticking = asyncio.create_task(self._tick_until_settled(), name="receive timers")

    async def _tick_until_settled(self) -> None:
        while self._stream.is_waiting:
            await asyncio.sleep(_TICK_SECONDS)
            self._heed_decoder()
            self._apply(self._stream.tick(self._decoder_queue.qsize(), time.monotonic()))
            await self._send_feedback()

    async def _send_feedback(self) -> None:
        ssrc = self._stream.ssrc
        if ssrc is None:
            return
        if self._nack:
            # Ascending, or aiortc's bit mask of neighbours comes out wrong.
            nack, self._nack = sorted(self._nack), set()
            await self._receiver._send_rtcp_nack(ssrc, nack)
        if self._wants_keyframe:
            self._wants_keyframe = False
            await self._receiver._send_rtcp_pli(ssrc)

    def _tap_sender_reports(
        self, stock: Callable[[AnyRtcpPacket], Awaitable[None]]
    ) -> Callable[[AnyRtcpPacket], Awaitable[None]]:
        async def tapped(packet: AnyRtcpPacket) -> None:
            # Reports of the retransmission stream run on timestamps of their own.
            if isinstance(packet, RtcpSrPacket) and packet.ssrc == self._stream.ssrc:
                self._clock.sender_report(packet.sender_info.ntp_timestamp, packet.sender_info.rtp_timestamp)
            await stock(packet)

        return tapped


def limit_ssrcs(router: RtpRouter, limit: int = MAX_SSRCS) -> None:
    """Let `router` adopt no more than `limit` SSRCs; packets of further ones are dropped."""
    stock = router.route_rtp

    def limited(packet: RtpPacket) -> RtpReceiver | None:
        if packet.ssrc not in router.ssrc_table and len(router.ssrc_table) >= limit:
            return None
        return stock(packet)

    router.route_rtp = limited  # type: ignore[method-assign]
