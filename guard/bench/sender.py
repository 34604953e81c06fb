"""Sends streams to a guard from a process of its own: `python -m guard.bench.sender URL COUNT`, the token on stdin.

The pictures are encoded before the first is sent; every stream plays them in a loop, at 30 a second.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack
from itertools import cycle
from typing import TYPE_CHECKING

import av

from guard.bench.clip import FPS, encode_clip, puppet_pictures
from guard.calls.publisher import WhipPublisher

if TYPE_CHECKING:
    from collections.abc import Callable

    from av.stream import Stream

_CLIP_SECONDS = 10.0
_CLIPS = 2


def _player(packets: list[bytes]) -> Callable[[], av.Packet[Stream]]:
    playing = cycle(packets)
    return lambda: av.Packet(next(playing))


async def _send(url: str, token: str, count: int) -> None:
    pictures = puppet_pictures()
    clips = [encode_clip(pictures(number), _CLIP_SECONDS) for number in range(min(_CLIPS, count))]
    async with AsyncExitStack() as stack:
        for number in range(count):
            player = _player(clips[number % len(clips)])
            await stack.enter_async_context(
                WhipPublisher(f"{url}/whip/bench/stream-{number}", token, player, fps=FPS, loopback=True)
            )
            # Cameras are not in step: spread the streams over a frame interval.
            await asyncio.sleep(1 / FPS / count)
        sys.stdout.write("sending\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_send(sys.argv[1], sys.stdin.readline().strip(), int(sys.argv[2])))
