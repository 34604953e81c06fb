"""What it costs only to decode the same bitstreams: libavcodec through PyAV, in a process of its own.

`python -m guard.bench.streams.decode_only`. One decoder a stream, one thread, frame by frame in turn, so that the
decoders push each other out of the caches as they do in a guard; back to back, which is the least that decoding takes.
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
from guard.bench.clip import load_packets

NATIVE, LIBVPX = "vp8", "libvpx"
"""libavcodec's own decoder, and libvpx behind libavcodec."""


@dataclass(frozen=True, slots=True)
class DecodeJob:
    """clips: files of encoded frames, by turns over `streams` decoders."""

    clips: tuple[Path, ...]
    streams: int


JOB: TypeAdapter[DecodeJob] = TypeAdapter(DecodeJob)


def decode_seconds(clips: list[list[bytes]], streams: int, decoder: str) -> float:
    """CPU seconds a frame."""
    decoders = []
    for _ in range(streams):
        context: Any = av.CodecContext.create(decoder, "r")  # PyAV types no decoder by name
        context.thread_count = 1
        decoders.append(context)
    shown = 0
    started = time.process_time()
    for number in range(len(clips[0])):
        for stream, context in enumerate(decoders):
            packet = av.Packet(clips[stream % len(clips)][number])
            packet.pts = number
            shown += len(context.decode(packet))
    return (time.process_time() - started) / shown


@asynccontextmanager
async def _decoding(line: bytes) -> AsyncIterator[Mapping[str, Answer]]:
    job = JOB.validate_json(line)
    clips = [load_packets(file) for file in job.clips]

    async def native() -> object:
        return decode_seconds(clips, job.streams, NATIVE)

    async def libvpx() -> object:
        return decode_seconds(clips, job.streams, LIBVPX)

    yield {NATIVE: native, LIBVPX: libvpx}


if __name__ == "__main__":
    run_child(_decoding)
