"""One received stream between depayloading and decoding: packets in, frames for the decoder and RTCP feedback out.

Pure: time is given with every call, in seconds of one monotonic clock, and what is to be sent is returned.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from guard.calls.frame_gate import FrameGate, Verdict
from guard.calls.frame_size import FrameHeader, read_frame_header
from guard.calls.jitter_buffer import NOTHING, BufferStep, EncodedFrame, JitterBuffer, MediaPacket
from guard.calls.rate_limit import TokenBucket
from guard.config import CallsConfig

KEYFRAME_REQUEST_SECONDS = 0.3
"""Picture-loss indications (RFC 4585 section 6.3.1) are at least so far apart."""
SSRC_SILENCE_SECONDS = 0.5
"""Another SSRC is followed only after the one before has been silent for so long."""


class AdmittedFrame(NamedTuple):
    """A frame that may be decoded."""

    ssrc: int
    timestamp: int
    payload_type: int
    data: bytes
    keyframe: bool
    shown: bool
    """True where the decoder owes a picture for it."""
    after_gap: bool
    """True where something is missing between the frame admitted before and this one."""
    complete_seconds: float
    """When it was whole and in its turn."""


class StreamStep(NamedTuple):
    """What is to be done after a packet, or after time has passed."""

    frames: tuple[AdmittedFrame, ...] = ()
    nack: tuple[int, ...] = ()
    """Sequence numbers to ask for again."""
    wants_keyframe: bool = False
    """Send a picture-loss indication now."""
    is_oversize: bool = False
    """The picture is larger than this guard accepts: the stream must end."""


_NOTHING_TO_DO = StreamStep()


@dataclass(slots=True)
class StreamCounters:
    """What became of a stream so far."""

    admitted: int = 0
    """Frames that went to the decoder."""
    gated: int = 0
    """Whole frames that did not."""
    keyframe_requests: int = 0


class EncodedStream:
    """Order, completeness, limits and the keyframe gate of one receiver. Not thread-safe.

    A receiver gets whatever SSRCs its peer chooses to send; one at a time is followed.
    """

    def __init__(self, config: CallsConfig, codec_of: Callable[[int], str]) -> None:
        self._buffer = JitterBuffer(config.max_frame_bytes)
        self._gate = FrameGate(config.max_width_px, config.max_height_px)
        self._frame_rate = TokenBucket(config.max_fps)
        self._codec_of = codec_of
        self._codec: str | None = None
        self._ssrc: int | None = None
        self._heard_seconds = 0.0
        self._has_begun = False
        self._gap = False
        self._wants_keyframe = False
        self._requested_seconds = -KEYFRAME_REQUEST_SECONDS
        self.counters = StreamCounters()

    @property
    def ssrc(self) -> int | None:
        """The stream that is followed; None before the first packet."""
        return self._ssrc

    @property
    def buffer(self) -> JitterBuffer:
        """The jitter buffer, for its counters."""
        return self._buffer

    @property
    def is_waiting(self) -> bool:
        """True while something must happen even if no packet comes: call `tick` about every 50 ms."""
        return self._buffer.has_hole or self._wants_keyframe

    def add(self, ssrc: int, packet: MediaPacket, backlog: int, now: float) -> StreamStep:
        """Take a packet. backlog: frames that wait for the decoder."""
        if not self._follows(ssrc, now):
            return self.tick(backlog, now)
        return self._step(self._buffer.add(packet, now), backlog, now)

    def tick(self, backlog: int, now: float) -> StreamStep:
        """Let time pass."""
        return self._step(self._buffer.tick(now), backlog, now)

    def decoder_failed(self) -> None:
        """The decoder could not use a frame: what refers to it would be smeared."""
        self._break()

    def _follows(self, ssrc: int, now: float) -> bool:
        if ssrc != self._ssrc:
            if self._ssrc is not None:
                if now - self._heard_seconds < SSRC_SILENCE_SECONDS:
                    return False
                self._buffer.restart()
            self._ssrc = ssrc
        self._heard_seconds = now
        return True

    def _break(self) -> None:
        self._gate.lost()
        # What was missed before the first keyframe was never part of the picture: no gap.
        self._gap = self._has_begun
        self._wants_keyframe = True

    def _step(self, buffered: BufferStep, backlog: int, now: float) -> StreamStep:
        if buffered is NOTHING and not self._wants_keyframe:
            return _NOTHING_TO_DO
        frames: list[AdmittedFrame] = []
        is_oversize = False
        for frame in buffered.frames:
            header = self._header(frame, now)
            verdict = self._verdict(frame, header, backlog + len(frames))
            is_oversize |= verdict is Verdict.OVERSIZE
            if header is not None and verdict is Verdict.DECODE:
                frames.append(self._admit(frame, header, now))
            else:
                self.counters.gated += 1
                self._break()
        if buffered.lost:
            self._break()
        return StreamStep(tuple(frames), buffered.nack, self._request_is_due(now), is_oversize)

    def _header(self, frame: EncodedFrame, now: float) -> FrameHeader | None:
        """None where the frame is damaged, or one too many in this second."""
        if not self._frame_rate.take(1, now):
            return None
        try:
            return read_frame_header(self._codec_of(frame.payload_type), frame.data)
        except ValueError:
            return None

    def _verdict(self, frame: EncodedFrame, header: FrameHeader | None, backlog: int) -> Verdict:
        codec = self._codec_of(frame.payload_type)
        # Another codec means another decoder, which knows nothing of the frames before.
        follows = frame.follows and codec == self._codec
        self._codec = codec
        if not follows:
            self._gap = self._has_begun
        return Verdict.SKIP if header is None else self._gate.judge(header, backlog, follows=follows)

    def _admit(self, frame: EncodedFrame, header: FrameHeader, now: float) -> AdmittedFrame:
        ssrc = self._ssrc or 0
        # Told with a picture: a hidden frame has none that the pacer could see it with.
        gap = self._gap and header.shown
        if gap:
            self._gap = False
        if header.coded:
            self._has_begun = True
        if header.keyframe:
            self._wants_keyframe = False
        self.counters.admitted += 1
        return AdmittedFrame(
            ssrc=ssrc,
            timestamp=frame.timestamp,
            payload_type=frame.payload_type,
            data=frame.data,
            keyframe=header.keyframe,
            shown=header.shown,
            after_gap=gap,
            complete_seconds=now,
        )

    def _request_is_due(self, now: float) -> bool:
        if not self._wants_keyframe or now - self._requested_seconds < KEYFRAME_REQUEST_SECONDS:
            return False
        self._wants_keyframe = False
        self._requested_seconds = now
        self.counters.keyframe_requests += 1
        return True
