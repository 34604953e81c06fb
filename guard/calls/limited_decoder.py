"""Decoding what libav has received: the caps and the keyframe gate before the decoder, media time and gaps after it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from av.error import FFmpegError
from av.video.reformatter import ColorRange

from guard.calls.frame_gate import FrameGate, Verdict
from guard.calls.frame_size import read_frame_header
from guard.calls.media_time import Lateness, MediaTime
from guard.calls.rate_limit import TokenBucket
from guard.calls.source import ReceivedFrame
from guard.config import CallsConfig

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

LATE_SECONDS = 3.0
"""Video that comes so much later than it could is not live any more: a new connection begins at the present."""

CODECS = {"h264": "H264", "vp8": "VP8"}
"""What is decoded: libav's names, and those of RTP."""


def max_pixels(config: CallsConfig) -> int:
    """For libav's decoders, which refuse a larger picture before they take memory for it."""
    # Pictures are coded in whole macroblocks.
    return (config.max_width_px + 16) * (config.max_height_px + 16)


def set_luma_range(image: VideoFrame, codec: str) -> None:
    """VP8's luma is of 16 to 235; libavcodec takes its clamping type (RFC 6386 section 9.2) for a sign of full range,
    and any sender may set it."""
    if codec == "VP8":
        image.color_range = ColorRange.MPEG


class LimitedDecoder:
    """From packets to frames of one stream that libav reads, with every limit in between. One thread uses it."""

    def __init__(self, stream: VideoStream, config: CallsConfig) -> None:
        self.stream = stream
        self.over: str | None = None
        """Why the stream must end."""
        self._codec = CODECS[stream.codec_context.name]
        self._max_width_px, self._max_height_px = config.max_width_px, config.max_height_px
        self._max_frame_bytes = config.max_frame_bytes
        self._gate = FrameGate(config.max_width_px, config.max_height_px)
        self._frame_rate = TokenBucket(config.max_fps)
        self._byte_rate = TokenBucket(config.max_bitrate_bps / 8)
        self._time = MediaTime()
        self._lateness = Lateness()
        self._arrival_seconds: float | None = None
        self._gap = False
        context = stream.codec_context
        # One thread: frame threads hold pictures back.
        context.thread_count = 1
        context.options = {"max_pixels": str(max_pixels(config))}

    def decode(self, packet: Packet[VideoStream], now: float) -> Iterator[ReceivedFrame]:
        """The pictures that are out after this packet; none where it may not be decoded."""
        if packet.size == 0 or not self._is_admitted(packet, now):
            return
        try:
            images = packet.decode()
        except FFmpegError:
            self._break()
            return
        for image in images:
            if image.width > self._max_width_px or image.height > self._max_height_px:
                self.over = "the video is larger than this guard accepts"
                return
            if image.is_corrupt:
                self._break()
                continue
            set_luma_range(image, self._codec)
            yield self._received(image, now)

    def _is_admitted(self, packet: Packet[VideoStream], now: float) -> bool:
        within = packet.size <= self._max_frame_bytes
        if not (within and self._frame_rate.take(1, now) and self._byte_rate.take(packet.size, now)):
            self._break()
            return False
        try:
            verdict = self._gate.judge(read_frame_header(self._codec, bytes(packet)), 0)
        except ValueError:
            verdict = Verdict.SKIP
        if verdict is Verdict.OVERSIZE:
            self.over = "the video is larger than this guard accepts"
        if verdict is not Verdict.DECODE or packet.is_corrupt:
            self._break()
            return False
        return True

    def _break(self) -> None:
        self._gate.lost()
        # What was missed before the first picture was never part of the video: no gap.
        self._gap = self._arrival_seconds is not None

    def _received(self, image: VideoFrame, now: float) -> ReceivedFrame:
        since = now - self._arrival_seconds if self._arrival_seconds is not None else 0.0
        media_seconds, jumped = self._time.take(image.time, since)
        if self._lateness.take(media_seconds, now) > LATE_SECONDS:
            self.over = f"the video comes more than {LATE_SECONDS:.0f} s late"
        self._arrival_seconds = now
        gap, self._gap = self._gap or jumped, False
        return ReceivedFrame(image, media_seconds, time.monotonic(), None, gap)
