"""What it costs only to decode the same bitstreams: libavcodec through PyAV, in a process of its own.

`python -m guard.bench.streams.decode_only`. One decoder a stream, one thread, frame by frame in turn, so that the
decoders push each other out of the caches as they do in a guard: back to back, which is the least that decoding takes,
and at the pace of calls, where the caches are cold after every pause.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
from pydantic import TypeAdapter

from guard.bench.child import Answer, run_child
from guard.bench.clip import FPS, load_packets

NATIVE, LIBVPX, PACED = "vp8", "libvpx", "vp8 at 30 fps"
"""libavcodec's own decoder, libvpx behind libavcodec, and libavcodec's own while the frames come as in a call."""
_PACED_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class DecodeJob:
    """clips: files of encoded frames, by turns over `streams` decoders."""

    clips: tuple[Path, ...]
    streams: int


JOB: TypeAdapter[DecodeJob] = TypeAdapter(DecodeJob)


def decode_seconds(clips: list[list[bytes]], streams: int, decoder: str) -> float:
    """CPU seconds a frame, back to back."""
    decoders = [_open(decoder) for _ in range(streams)]
    shown = 0
    started = time.process_time()
    for number in range(len(clips[0])):
        for stream, context in enumerate(decoders):
            shown += _decode(context, clips[stream % len(clips)], number)
    return (time.process_time() - started) / shown


def paced_seconds(clips: list[list[bytes]], streams: int, seconds: float = _PACED_SECONDS) -> float:
    """CPU seconds a frame of libavcodec's own decoder at 30 frames a second, the streams evenly out of step."""
    decoders = [_open(NATIVE) for _ in range(streams)]
    shown, begun = 0, time.monotonic()
    started = time.process_time()
    for number in range(round(seconds * FPS)):
        for stream, context in enumerate(decoders):
            due = begun + (number + stream / streams) / FPS
            time.sleep(max(due - time.monotonic(), 0.0))
            clip = clips[stream % len(clips)]
            shown += _decode(context, clip, number % len(clip))
    return (time.process_time() - started) / shown


def _open(decoder: str) -> Any:
    context: Any = av.CodecContext.create(decoder, "r")  # PyAV types no decoder by name
    context.thread_count = 1
    return context


def _decode(context: Any, clip: list[bytes], number: int) -> int:
    packet = av.Packet(clip[number])
    packet.pts = number
    return len(context.decode(packet))


@asynccontextmanager
async def _decoding(line: bytes) -> AsyncIterator[Mapping[str, Answer]]:
    job = JOB.validate_json(line)
    clips = [load_packets(file) for file in job.clips]

    async def native() -> object:
        return decode_seconds(clips, job.streams, NATIVE)

    async def libvpx() -> object:
        return decode_seconds(clips, job.streams, LIBVPX)

    async def paced() -> object:
        return paced_seconds(clips, job.streams)

    yield {NATIVE: native, LIBVPX: libvpx, PACED: paced}


if __name__ == "__main__":
    run_child(_decoding)
