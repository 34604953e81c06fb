"""Decoding one stream on a thread of its own, from encoded frames to pictures in the hands of whoever takes them.

aiortc's decoder hands every picture to the event loop, one task each, which wakes it up to do nothing but pass the
picture on. Here it goes on from the thread that decoded it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Event, Lock
from typing import TYPE_CHECKING, Any

import av
from av.error import FFmpegError

from guard.calls.decoder_account import DecoderAccount
from guard.calls.encoded_stream import AdmittedFrame
from guard.calls.limited_decoder import max_pixels, set_luma_range
from guard.calls.rtp_clock import RtpClock
from guard.calls.source import ReceivedFrame
from guard.config import CallsConfig

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

DECODERS = {"VP8": "vp8", "H264": "h264"}
"""libavcodec's own: its VP8 decoder takes a tenth to a quarter less than libvpx, and fewer caches."""


@dataclass(frozen=True, slots=True)
class SenderReport:
    """The pair of an RTCP sender report (RFC 3550 section 6.4.1)."""

    ntp_timestamp: int
    rtp_timestamp: int


class PictureDecoder:
    """Stands where the queue of aiortc's decoder thread stood: that thread decodes in `get`, until `put(None)`.

    The event loop gives frames; pictures come out on the thread, from `open` to `close`, and none after it.
    """

    def __init__(self, config: CallsConfig, codec_of: Callable[[int], str], on_failure: Callable[[], None]) -> None:
        """`on_failure` is called on the thread when a frame could not be used: what refers to it would be smeared."""
        self._codec_of = codec_of
        self._on_failure = on_failure
        self._options = {"max_pixels": str(max_pixels(config))}
        self._waiting: SimpleQueue[AdmittedFrame | SenderReport | None] = SimpleQueue()
        self._account = DecoderAccount()
        self._clock = RtpClock()
        self._clock_ssrc: int | None = None
        self._codec: str | None = None
        self._context: Any = None
        self._begun = Event()
        self._is_over = False
        self._hand_over: Callable[[ReceivedFrame], None] | None = None
        self._handing_over = Lock()

    # --- the event loop's side ------------------------------------------------------------------------------------

    def open(self, hand_over: Callable[[ReceivedFrame], None]) -> None:
        """Pictures go to `hand_over`, on the decoder's thread; until here frames wait undecoded."""
        self._hand_over = hand_over
        self._begun.set()

    def close(self) -> None:
        """No picture comes any more, once this has returned; what waits is not decoded."""
        self._is_over = True
        with self._handing_over:
            self._hand_over = None

    def decode(self, frame: AdmittedFrame) -> None:
        """Have a frame decoded."""
        self._waiting.put(frame)

    def note(self, report: SenderReport) -> None:
        """Take a sender report, for frames that are given from here on."""
        self._waiting.put(report)

    def qsize(self) -> int:
        """Frames that wait."""
        return self._waiting.qsize()

    def put(self, end: None) -> None:
        """End the thread; aiortc then waits for it."""
        self._is_over = True
        self._waiting.put(end)
        self._begun.set()

    # --- the decoder thread's side --------------------------------------------------------------------------------

    def get(self) -> None:
        """Decode until the end."""
        self._begun.wait()
        while (given := self._waiting.get()) is not None:
            if not self._is_over:
                self.work(given)

    def work(self, given: AdmittedFrame | SenderReport) -> None:
        """Do what was asked for."""
        if isinstance(given, SenderReport):
            self._clock.sender_report(given.ntp_timestamp, given.rtp_timestamp)
        else:
            self._decode(given)

    def _decode(self, frame: AdmittedFrame) -> None:
        codec = self._codec_of(frame.payload_type)
        if codec != self._codec:
            self._codec = codec
            self._context = av.CodecContext.create(DECODERS[codec], "r")
            # One thread: frame threads hold pictures back, slice threads cost more than they bring.
            self._context.thread_count = 1
            self._context.options = self._options
        packet = av.Packet(frame.data)
        packet.pts = self._account.send(frame)
        try:
            images = self._context.decode(packet)
        except FFmpegError:
            # H.264 parameter sets of their own are taken, and answered with "no frame".
            if frame.shown or codec != "H264":
                # The state is kept: without it nothing could be decoded before the next keyframe.
                self._account.fail()
                self._on_failure()
            return
        for image in images:
            set_luma_range(image, codec)
            self.take(image)

    def take(self, image: VideoFrame) -> None:
        """Hand a decoded picture on, unless it must not be used."""
        received = self.received(image)
        if received is None:
            self._on_failure()
            return
        with self._handing_over:
            if self._hand_over is not None:
                self._hand_over(received)

    def received(self, image: VideoFrame) -> ReceivedFrame | None:
        """The next picture with its times; None where it must not be used."""
        sent = None if image.pts is None else self._account.receive(image.pts, is_corrupt=image.is_corrupt)
        if sent is None:
            return None
        if sent.ssrc != self._clock_ssrc:
            if self._clock_ssrc is not None:
                self._clock.restart()
            self._clock_ssrc = sent.ssrc
        return ReceivedFrame(
            image=image,
            pts_seconds=self._clock.pts_seconds(sent.timestamp),
            arrival_seconds=time.monotonic(),
            capture_seconds=self._clock.capture_seconds(sent.timestamp),
            after_gap=sent.after_gap,
            complete_seconds=sent.complete_seconds,
        )
