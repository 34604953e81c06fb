"""What aiortc keeps to itself about a received stream, tapped at one receiver.

aiortc 1.16 has no public seam between depayloading and decoding, and it throws the sender reports away. This module
is the only one that touches its private attributes; tests/guard/calls/test_aiortc_contract.py pins them.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Awaitable, Callable
from queue import Queue
from typing import TYPE_CHECKING

from aiortc.jitterbuffer import JitterBuffer, JitterFrame
from aiortc.rtcdtlstransport import RtpReceiver, RtpRouter
from aiortc.rtp import AnyRtcpPacket, RtcpSrPacket, RtpPacket

from guard.calls.frame_gate import FrameGate, Verdict
from guard.calls.rtp_clock import RtpClock
from guard.calls.source import ReceivedFrame

if TYPE_CHECKING:
    from aiortc import RTCRtpReceiver
    from av import VideoFrame

JITTER_BUFFER = "_RTCRtpReceiver__jitter_buffer"
DECODER_QUEUE = "_RTCRtpReceiver__decoder_queue"
TIMESTAMP_MAPPER = "_RTCRtpReceiver__timestamp_mapper"
CODECS = "_RTCRtpReceiver__codecs"
HANDLE_RTCP = "_handle_rtcp_packet"

# Media, retransmission, and what an SFU may add after a renegotiation. aiortc keeps statistics for every SSRC it
# ever saw, and from about 57 on its report overflows the SRTCP buffer, which makes `close()` hang for ever.
MAX_SSRCS = 8
_KEYFRAME_REQUEST_SECONDS = 0.3
# Frames between the jitter buffer and the drained track; more would mean a decoder that swallows frames.
_MAX_FRAMES_IN_DECODER = 64


class GatedJitterBuffer:
    """aiortc's jitter buffer with a gate behind it; keeps account of what goes on to the decoder."""

    def __init__(
        self,
        stock: JitterBuffer,
        gate: FrameGate,
        codec_of: Callable[[int], str],
        backlog: Callable[[], int],
        on_oversize: Callable[[], None],
    ) -> None:
        self._stock = stock
        self._gate = gate
        self._codec_of = codec_of
        self._backlog = backlog
        self._on_oversize = on_oversize
        self._in_decoder: deque[tuple[int, bool]] = deque(maxlen=_MAX_FRAMES_IN_DECODER)
        self._gap = False
        self._has_begun = False
        self._last_request = -_KEYFRAME_REQUEST_SECONDS
        self.media_ssrc: int | None = None

    @property
    def capacity(self) -> int:
        """Packets that fit."""
        return self._stock.capacity

    def add(self, packet: RtpPacket) -> tuple[bool, JitterFrame | None]:
        """Take a depayloaded packet; return whether a picture-loss indication is due, and an encoded frame."""
        self.media_ssrc = packet.ssrc
        lost, frame = self._stock.add(packet)
        if lost:
            self._gate.lost()
            self._gap = self._has_begun
        if frame is None:
            return lost, None
        verdict = self._gate.judge(self._codec_of(packet.payload_type), frame.data, self._backlog())
        if verdict is Verdict.DECODE:
            self._in_decoder.append((frame.timestamp, self._gap))
            self._gap = False
            self._has_begun = True
            return lost, frame
        if verdict is Verdict.OVERSIZE:
            self._on_oversize()
        # What is gated before the first keyframe was never part of the picture: no gap.
        self._gap = self._has_begun
        return self._request_is_due() or lost, None

    def follows_gap(self, timestamp: int) -> bool:
        """Whether something is missing before the decoded frame of this RTP timestamp; call in decoding order."""
        gap = False
        while self._in_decoder:
            sent, after_gap = self._in_decoder.popleft()
            gap = gap or after_gap
            if sent == timestamp:
                return gap
            # The decoder took this one and gave nothing back.
            gap = True
        return True

    def _request_is_due(self) -> bool:
        now = time.monotonic()
        if now - self._last_request < _KEYFRAME_REQUEST_SECONDS:
            return False
        self._last_request = now
        return True


class ReceiverTap:
    """Attached to one video receiver before media flows: size gate, gaps, media and capture time."""

    def __init__(
        self, receiver: RTCRtpReceiver, max_width_px: int, max_height_px: int, on_oversize: Callable[[], None]
    ) -> None:
        self._clock = RtpClock()
        self._mapper = getattr(receiver, TIMESTAMP_MAPPER)
        codecs = getattr(receiver, CODECS)
        waiting: Queue[object] = getattr(receiver, DECODER_QUEUE)
        self._buffer = GatedJitterBuffer(
            stock=getattr(receiver, JITTER_BUFFER),
            gate=FrameGate(max_width_px, max_height_px),
            codec_of=lambda payload_type: str(codecs[payload_type].name),
            backlog=waiting.qsize,
            on_oversize=on_oversize,
        )
        setattr(receiver, JITTER_BUFFER, self._buffer)
        setattr(receiver, HANDLE_RTCP, self._tap_sender_reports(receiver._handle_rtcp_packet))

    def received(self, frame: VideoFrame) -> ReceivedFrame | None:
        """Wrap the next decoded frame; None where the decoder gave it no time."""
        if frame.pts is None:
            return None
        timestamp = (frame.pts + self._mapper._origin) % (1 << 32)
        return ReceivedFrame(
            image=frame,
            pts_seconds=self._clock.pts_seconds(timestamp),
            arrival_seconds=time.monotonic(),
            capture_seconds=self._clock.capture_seconds(timestamp),
            after_gap=self._buffer.follows_gap(timestamp),
        )

    def _tap_sender_reports(
        self, stock: Callable[[AnyRtcpPacket], Awaitable[None]]
    ) -> Callable[[AnyRtcpPacket], Awaitable[None]]:
        async def tapped(packet: AnyRtcpPacket) -> None:
            # Reports of the retransmission stream run on timestamps of their own.
            if isinstance(packet, RtcpSrPacket) and packet.ssrc == self._buffer.media_ssrc:
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
