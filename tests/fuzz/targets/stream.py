"""A received stream driven by bytes: packets of any order, number and content, time that passes, failing decoders."""

from __future__ import annotations

from collections.abc import Iterator

from guard.calls.encoded_stream import EncodedStream, StreamStep
from guard.calls.jitter_buffer import CAPACITY_PACKETS, MAX_NACK_NUMBERS, JitterBuffer, MediaPacket
from guard.config import CallsConfig
from tests.fuzz.bytes_reader import BytesReader

_CONFIG = CallsConfig(max_frame_bytes=10_000, max_width_px=640, max_height_px=640)
_HEADERS = (
    b"\x10\x00\x00\x9d\x01\x2a\x80\x02\x68\x01",
    b"\x11\x00\x00",
    b"\x10\x00\x00\x9d\x01\x2a\xff\x3f\xff\x3f",
    b"\x00\x00\x00\x01\x67\x42\xc0\x1f\x8c\x8d\x40\xa0\x2f\xf9\x61\x00\x00\x00\x01\x65",
    b"\x00\x00\x00\x01\x41",
    b"",
)
_MAX_STEPS = 400


def encoded_stream(data: bytes) -> None:
    """Memory and requests stay bounded, and what is admitted after a loss begins with a keyframe."""
    reader = BytesReader(data)
    stream = EncodedStream(_CONFIG, lambda payload_type: "VP8" if payload_type == 96 else "H264")
    now, needs_keyframe = 0.0, True
    for step in _steps(reader, stream):
        now += 0.001 * reader.number()
        made = step(now)
        assert len(made.nack) <= MAX_NACK_NUMBERS
        for frame in made.frames:
            assert 0 < len(frame.data) <= _CONFIG.max_frame_bytes
            if needs_keyframe and frame.shown:
                assert frame.keyframe
                needs_keyframe = False
        _check_bounds(stream.buffer)


def _steps(reader: BytesReader, stream: EncodedStream) -> Iterator[_Step]:
    sequence_number, timestamp = 65_000, 0
    for _ in range(_MAX_STEPS):
        if not reader:
            return
        what = reader.number()
        if what < 16:
            yield _Step(stream, None, 0, what * 4)
            continue
        if what < 20:
            stream.decoder_failed()
            continue
        sequence_number += 1 if what < 200 else reader.number(2)
        timestamp += 3000 if what & 1 else (0 if what & 2 else reader.number(4))
        payload_type = 97 if what & 12 == 12 else 96
        payload = _HEADERS[(what >> 4) % len(_HEADERS)] + reader.piece(what & 7)
        packet = MediaPacket(
            sequence_number % 65_536,
            timestamp % (1 << 32),
            bool(what & 1),
            payload_type,
            payload * (1 + 40 * (what == 99)),
        )
        yield _Step(stream, packet, 1 + (what > 250), 0)


class _Step:
    """One thing that happens to a stream."""

    def __init__(self, stream: EncodedStream, packet: MediaPacket | None, ssrc: int, backlog: int) -> None:
        self._stream, self._packet, self._ssrc, self._backlog = stream, packet, ssrc, backlog

    def __call__(self, now: float) -> StreamStep:
        if self._packet is None:
            return self._stream.tick(self._backlog, now)
        return self._stream.add(self._ssrc, self._packet, self._backlog, now)


def _check_bounds(buffer: JitterBuffer) -> None:
    assert len(buffer._ahead) <= CAPACITY_PACKETS
    assert len(buffer._missing) <= CAPACITY_PACKETS
    assert buffer._partial is None or len(buffer._partial.data) <= _CONFIG.max_frame_bytes
