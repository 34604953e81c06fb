"""One participant of the demo's call, in a process of its own: a puppet that publishes over real WebRTC.

`python -m demo.actors alice` reads the guard's address and token from its first line of input (JSON), then orders, one
a line: `{"driver": 2}` lets that driver take the face over. It answers each with the same object and the monotonic time
of the first frame, and ends when its input ends.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import threading
import time

import cv2
import numpy as np
from av import VideoFrame

from demo.cast import CALL, CAST, PICTURE_SIZE, Role
from demo.puppet_frames import demo_seed, make_player
from guard.calls.publisher import WhipPublisher

LIVE_TAKE = 10
"""The recording that was enrolled begins with take 0 and goes on with take 1: the call says something else."""


class Actor:
    """One participant: a face, and whoever drives it just now."""

    def __init__(self, role: Role) -> None:
        self.role = role
        self._player = make_player(role.face, role.driver, LIVE_TAKE, PICTURE_SIZE)
        self._lock = threading.Lock()

    def next_frame(self) -> VideoFrame:
        """The next picture; called by the publisher in a worker thread."""
        with self._lock:
            picture = next(self._player)
        planes = np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2YUV_I420), np.uint8)
        return VideoFrame.from_ndarray(planes, format="yuv420p")

    def switch_driver(self, driver: int) -> float:
        """From the next frame on, `driver` moves the face; the monotonic time of this moment."""
        with self._lock:
            self._player.switch(demo_seed(driver))
            return time.monotonic()


async def _main(role: Role) -> None:
    cv2.setNumThreads(1)
    orders: asyncio.Queue[str] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    threading.Thread(target=_read_lines, args=(loop, orders), daemon=True).start()
    where = json.loads(await orders.get())
    actor = Actor(role)
    url = f"{where['url']}/whip/{CALL}/{role.participant}"
    async with WhipPublisher(url, where["token"], actor.next_frame, loopback=True):
        _say({"joined": role.participant})
        while line := await orders.get():
            order = json.loads(line)
            _say({**order, "monotonic_seconds": actor.switch_driver(order["driver"])})


def _read_lines(loop: asyncio.AbstractEventLoop, orders: asyncio.Queue[str]) -> None:
    for line in sys.stdin:
        loop.call_soon_threadsafe(orders.put_nowait, line)
    loop.call_soon_threadsafe(orders.put_nowait, "")


def _say(message: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the demo ends its actors itself.
    asyncio.run(_main(next(role for role in CAST if role.participant == sys.argv[1])))
