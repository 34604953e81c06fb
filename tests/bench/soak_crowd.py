"""The people of a soak, in a process of their own: `python -m tests.bench.soak_crowd URL STREAMS SECONDS CLIP`.

The join token comes on stdin. CLIP is a pickled list of VP8 packets, played in a loop by everybody. Every SECONDS
somebody joins or leaves, so that there are STREAMS people or one fewer; who leaves is who has been there longest, and
every newcomer has a new name. Every fourth does not say goodbye: their sockets are just gone.
"""

from __future__ import annotations

import asyncio
import pickle
import sys
from collections import deque
from collections.abc import Callable
from itertools import count, cycle
from pathlib import Path
from typing import Any

import av

from guard.calls.publisher import WhipPublisher

_VANISHES_EVERY = 4


def _player(packets: list[bytes]) -> Callable[[], av.Packet[Any]]:
    playing = cycle(packets)
    return lambda: av.Packet(next(playing))


async def _vanish(publisher: WhipPublisher) -> None:
    """Cut the media off without a word to the guard, by RTCP, DTLS or HTTP."""
    connection = publisher._connection
    assert connection is not None
    [sender] = connection.getSenders()
    await sender.transport.transport.stop()
    publisher._session_url = None
    await publisher.stop()


async def _live(url: str, token: str, streams: int, seconds: float, packets: list[bytes]) -> None:
    names, leavers = count(), count(1)
    present: deque[WhipPublisher] = deque()
    while True:
        if len(present) < streams:
            seat = f"{url}/whip/soak/person-{next(names)}"
            publisher = WhipPublisher(seat, token, _player(packets), loopback=True)
            await publisher.start()
            present.append(publisher)
            if len(present) < streams:
                continue
        else:
            publisher = present.popleft()
            await (_vanish(publisher) if next(leavers) % _VANISHES_EVERY == 0 else publisher.stop())
        sys.stdout.write(f"{len(present)}\n")
        sys.stdout.flush()
        await asyncio.sleep(seconds)


if __name__ == "__main__":
    clip: list[bytes] = pickle.loads(Path(sys.argv[4]).read_bytes())  # noqa: S301 - written by the soak itself
    asyncio.run(_live(sys.argv[1], sys.stdin.readline().strip(), int(sys.argv[2]), float(sys.argv[3]), clip))
