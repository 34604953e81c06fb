"""The participant who means well: `python -m tests.hostile.bystander URL`, the token on stdin.

Publishes an encoded picture 30 times a second for as long as it lives, and prints the address of the guard's media port
once it is connected.
"""

from __future__ import annotations

import asyncio
import sys
from itertools import cycle, repeat

import av
import numpy as np

from guard.bench.clip import encode_clip, numbered
from guard.calls.publisher import WhipPublisher

_CLIP_FRAMES = 60


async def _publish(url: str, token: str) -> None:
    still = np.full((360, 640, 3), 90, np.uint8)
    packets = cycle(encode_clip(numbered(repeat(still, _CLIP_FRAMES))))
    async with WhipPublisher(url, token, lambda: av.Packet(next(packets)), loopback=True) as publisher:
        connection = publisher._connection
        assert connection is not None
        [sender] = connection.getSenders()
        remote = next(iter(sender.transport.transport._connection._nominated.values())).remote_candidate
        sys.stdout.write(f"{remote.host} {remote.port}\n")
        sys.stdout.flush()
        await publisher.wait_ended()


if __name__ == "__main__":
    asyncio.run(_publish(sys.argv[1], sys.stdin.readline().strip()))
