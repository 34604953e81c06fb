"""What aiortc keeps to itself about a received stream, taken over at one receiver.

aiortc 1.16 has no public seam between the network and the decoder, and it throws the sender reports away. This module
and `media_path` are the ones that touch its private attributes; tests/guard/calls/test_aiortc_contract.py pins them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import TYPE_CHECKING

from aiortc.codecs import depayload, is_rtx
from aiortc.rtcdtlstransport import RtpReceiver, RtpRouter
from aiortc.rtcrtpreceiver import StreamStatistics
from aiortc.rtp import AnyRtcpPacket, RtcpSrPacket, RtpPacket

from guard.calls.bandwidth import BandwidthWatch
from guard.calls.encoded_stream import EncodedStream, StreamStep
from guard.calls.jitter_buffer import MediaPacket
from guard.calls.picture_decoder import PictureDecoder, SenderReport
from guard.calls.rate_limit import TokenBucket
from guard.calls.rtp_hardening import bound_reports
from guard.calls.rtp_packet import ReceivedPacket, unwrap_retransmission, vp8_data
from guard.config import CallsConfig

if TYPE_CHECKING:
    from aiortc import RTCRtpReceiver
    from aiortc.rtcrtpparameters import RTCRtpCodecParameters

JITTER_BUFFER = "_RTCRtpReceiver__jitter_buffer"
NACK_GENERATOR = "_RTCRtpReceiver__nack_generator"
DECODER_QUEUE = "_RTCRtpReceiver__decoder_queue"
CODECS = "_RTCRtpReceiver__codecs"
STATISTICS = "_RTCRtpReceiver__remote_streams"
RETRANSMISSION_SSRCS = "_RTCRtpReceiver__rtx_ssrc"
BITRATE_ESTIMATOR = "_RTCRtpReceiver__remote_bitrate_estimator"
RTCP_SSRC = "_RTCRtpReceiver__rtcp_ssrc"
HANDLE_RTCP = "_handle_rtcp_packet"

# Media, retransmission, and what an SFU may add after a renegotiation. aiortc keeps statistics for every SSRC it
# ever saw, and from about 57 on its report overflows the SRTCP buffer, which makes `close()` hang for ever.
MAX_SSRCS = 8
_TICK_SECONDS = 0.05
_RETRANSMISSION = "rtx"


class ReceiverTap:
    """Attached to one video receiver before media flows: our jitter buffer, limits, decoder, media and capture time.

    Stands where aiortc's jitter buffer stood, and gets packets from the `MediaPath` of the receiver's transport. Asks
    for lost packets and keyframes; reports and their statistics stay aiortc's.
    """

    def __init__(self, receiver: RTCRtpReceiver, config: CallsConfig, on_oversize: Callable[[], None]) -> None:
        self._receiver = receiver
        self._on_oversize = on_oversize
        self._loop = asyncio.get_running_loop()
        self._codecs: dict[int, RTCRtpCodecParameters] = getattr(receiver, CODECS)
        self._names: dict[int, str] = {}
        self._statistics: dict[int, StreamStatistics] = getattr(receiver, STATISTICS)
        self._retransmission_ssrcs: dict[int, int] = getattr(receiver, RETRANSMISSION_SSRCS)
        self._bandwidth = BandwidthWatch(getattr(receiver, BITRATE_ESTIMATOR))
        self._stream = EncodedStream(config, self._codec_of)
        self.decoder = PictureDecoder(config, self._codec_of, self._note_failure)
        """Who takes the pictures opens it."""
        self._packet_rate = TokenBucket(config.max_packets_per_second)
        self._byte_rate = TokenBucket(config.max_bitrate_bps / 8)
        self._nack: set[int] = set()
        self._wants_keyframe = False
        self._ticking: asyncio.Task[None] | None = None
        self._sending: set[asyncio.Task[None]] = set()
        self.over_rate = 0
        """Packets dropped because the peer sent more than it may."""
        setattr(receiver, JITTER_BUFFER, self)
        setattr(receiver, DECODER_QUEUE, self.decoder)
        # It would ask for all that it misses whenever it misses something more.
        setattr(receiver, NACK_GENERATOR, None)
        setattr(receiver, HANDLE_RTCP, self._tap_sender_reports(receiver._handle_rtcp_packet))
        bound_reports(receiver)

    @property
    def stream(self) -> EncodedStream:
        """What happens before the decoder, for its counters."""
        return self._stream

    def take(self, packet: ReceivedPacket, now: float) -> None:
        """Take a decrypted packet that was routed here. Raises ValueError for one that cannot be read."""
        if not (self._packet_rate.take(1, now) and self._byte_rate.take(len(packet.payload), now)):
            self.over_rate += 1
            return
        name = self._codec_of(packet.payload_type)
        if not name or not self._receiver._enabled:
            return
        estimate = self._bandwidth.take(packet, now)
        if estimate is not None and (own_ssrc := getattr(self._receiver, RTCP_SSRC)) is not None:
            self._send(self._receiver._send_rtcp(estimate.report(own_ssrc)))
        statistics = self._statistics.get(packet.ssrc)
        if statistics is None:
            clock_rate = self._codecs[packet.payload_type].clockRate
            statistics = self._statistics[packet.ssrc] = StreamStatistics(clock_rate)
        statistics.add(packet)  # type: ignore[arg-type] # reads the three numbers that this packet has, too
        if name == _RETRANSMISSION:
            original = self._original(packet)
            if original is None:
                return
            packet, name = original, self._codec_of(original.payload_type)
        media = MediaPacket(
            packet.sequence_number, packet.timestamp, packet.marker, packet.payload_type, self._data(name, packet)
        )
        self._apply(self._stream.add(packet.ssrc, media, self.decoder.qsize(), now))
        self._send_feedback()

    def close(self) -> None:
        """No picture comes any more once this has returned, and none is decoded."""
        self._receiver._enabled = False
        self.decoder.close()

    def _codec_of(self, payload_type: int) -> str:
        """Empty where the payload type was not negotiated."""
        name = self._names.get(payload_type)
        if name is None:
            codec = self._codecs.get(payload_type)
            if codec is None:
                return ""
            # Names know no case (RFC 8866 section 6.6), and aiortc keeps a peer's spelling of this one.
            name = self._names[payload_type] = _RETRANSMISSION if is_rtx(codec) else str(codec.name)
        return name

    def _original(self, packet: ReceivedPacket) -> ReceivedPacket | None:
        ssrc = self._retransmission_ssrcs.get(packet.ssrc)
        payload_type = self._codecs[packet.payload_type].parameters.get("apt")
        if ssrc is None or not isinstance(payload_type, int) or not self._codec_of(payload_type):
            return None
        if len(packet.payload) < 2:  # Chromium probes the bandwidth with empty ones
            return None
        return unwrap_retransmission(packet, payload_type, ssrc)

    def _data(self, name: str, packet: ReceivedPacket) -> bytes:
        if not packet.payload:
            return b""
        if name == "VP8":
            return vp8_data(packet.payload)
        return depayload(self._codecs[packet.payload_type], packet.payload)

    def _note_failure(self) -> None:
        """Called on the decoder's thread, which a close that had to be forced leaves behind for a moment."""
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._after_failure)

    def _after_failure(self) -> None:
        self._stream.decoder_failed()
        self._keep_time()

    def _apply(self, step: StreamStep) -> None:
        for frame in step.frames:
            self.decoder.decode(frame)
        self._nack.update(step.nack)
        self._wants_keyframe |= step.wants_keyframe
        if step.is_oversize:
            self._on_oversize()
        if self._stream.is_waiting:
            self._keep_time()

    def _keep_time(self) -> None:
        """Let the stream's time pass while it waits for something, whether packets come or not."""
        if self._ticking is None or self._ticking.done():
            self._ticking = asyncio.create_task(self._tick_until_settled(), name="receive timers")

    async def _tick_until_settled(self) -> None:
        while self._stream.is_waiting:
            await asyncio.sleep(_TICK_SECONDS)
            self._apply(self._stream.tick(self.decoder.qsize(), time.monotonic()))
            self._send_feedback()

    def _send_feedback(self) -> None:
        ssrc = self._stream.ssrc
        if ssrc is None:
            return
        if self._nack:
            # Ascending, or aiortc's bit mask of neighbours comes out wrong.
            nack, self._nack = sorted(self._nack), set()
            self._send(self._receiver._send_rtcp_nack(ssrc, nack))
        if self._wants_keyframe:
            self._wants_keyframe = False
            self._send(self._receiver._send_rtcp_pli(ssrc))

    def _send(self, report: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(report, name="feedback")
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    def _tap_sender_reports(
        self, stock: Callable[[AnyRtcpPacket], Awaitable[None]]
    ) -> Callable[[AnyRtcpPacket], Awaitable[None]]:
        async def tapped(packet: AnyRtcpPacket) -> None:
            # Reports of the retransmission stream run on timestamps of their own.
            if isinstance(packet, RtcpSrPacket) and packet.ssrc == self._stream.ssrc:
                self.decoder.note(SenderReport(packet.sender_info.ntp_timestamp, packet.sender_info.rtp_timestamp))
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
