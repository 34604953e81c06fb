"""What runs in a worker process: `python -m guard.isolation.worker SOCKET BELL MEMORY` (file descriptors).

SOCKET is a stream of messages to and from the guard, BELL a socket that tells it of new face frames, MEMORY the
segment that these lie in. The worker ends when the socket closes.
"""

from __future__ import annotations

import asyncio
import logging
import mmap
import os
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress

import av
import numpy as np

from engines.face_detector import SlimFaceDetector
from engines.pixels import LumaPlane
from guard.calls.picture_decoder import DECODERS
from guard.isolation.confinement import confine
from guard.isolation.crop_ring import map_segment
from guard.isolation.hosted_peers import CropRings, HostedPeers
from guard.isolation.messages import (
    MAX_ORDER_BYTES,
    OUT_OF_MEMORY,
    Beat,
    Ready,
    Report,
    Start,
    read_order,
    to_line,
)
from guard.isolation.rehearsal import rehearse
from guard.isolation.spent_memory import SpentMemory
from guard.media.front_end import FaceFrontEnd

BEAT_SECONDS = 0.5
SPARE_BYTES = 96 << 20
"""With less address space left than this, a decoder fails, or will soon; one for 1920x1080 takes 60 MB."""


def main() -> None:
    """Entry point."""
    channel_fd, bell, memory_fd = (int(text) for text in sys.argv[1:])
    logging.basicConfig(level=logging.WARNING, format="%(name)s: %(message)s")
    with suppress(ConnectionError, KeyboardInterrupt):
        asyncio.run(_work(socket.socket(fileno=channel_fd), bell, memory_fd))


async def _work(channel: socket.socket, bell: int, memory_fd: int) -> None:
    reader, writer = await asyncio.open_unix_connection(sock=channel, limit=MAX_ORDER_BYTES)
    start = read_order(await reader.readline())
    if not isinstance(start, Start):
        raise TypeError("the first order must be the settings")
    settings = start.settings
    segment = map_segment(memory_fd)
    os.close(memory_fd)
    make_front_end = _prepare(settings.min_fps)
    await rehearse()
    threading.excepthook = _end_with_thread

    def report(message: Report) -> None:
        writer.write(to_line(message))

    spent = SpentMemory()
    measures = confine(settings)
    rings = CropRings(segment, socket.socket(fileno=bell), make_front_end)
    peers = HostedPeers(settings.calls, rings, report, spent.give_back)
    report(Ready(measures=measures))
    beating = asyncio.create_task(_beat(report), name="beat")
    while line := await reader.readline():
        peers.obey(read_order(line))
    beating.cancel()
    # The guard has gone, or is done with this worker: what is left of peers goes with the process.
    os._exit(0)


def _prepare(min_fps: float) -> Callable[[], FaceFrontEnd]:
    """Load whatever lies in files: none can be opened afterwards. Returns what makes front ends."""
    detector = SlimFaceDetector()
    detector.detect(LumaPlane(np.full((360, 640), 128, np.uint8), True))
    for codec in DECODERS.values():
        av.CodecContext.create(codec, "r")
    return lambda: FaceFrontEnd(detector, min_fps=min_fps)


async def _beat(report: Callable[[Report], None]) -> None:
    while True:
        report(Beat())
        _check_memory()
        await asyncio.sleep(BEAT_SECONDS)


def _check_memory() -> None:
    """End while there is still memory for it: an allocation that fails in a decoder is told to nobody."""
    try:
        mmap.mmap(-1, SPARE_BYTES).close()
    except (OSError, MemoryError):
        os._exit(OUT_OF_MEMORY)


def _end_with_thread(arguments: threading.ExceptHookArgs) -> None:
    """A thread that is gone leaves its streams silent for good; without this process they can be joined anew."""
    if issubclass(arguments.exc_type, MemoryError):
        os._exit(OUT_OF_MEMORY)
    threading.__excepthook__(arguments)
    os._exit(1)


if __name__ == "__main__":
    main()
