"""Sends one clip to a guard over a bad network, from a process of its own: `python -m guard.bench.network.sender`.

The first line of its input is a job; it answers with counts once it is connected. Each further line is an order,
answered with the counts of that moment: `impair` turns the network bad, `count` only asks. It ends with its input.

The clip is encoded live, so that a keyframe can follow a picture-loss indication; it is played in a loop.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path

from av import VideoFrame

from guard.bench.network.clips import filmed
from guard.bench.network.orders import COUNTS, IMPAIR, JOB, SenderCounts
from guard.bench.network.relay import ImpairedRelay
from guard.calls.publisher import WhipPublisher
from guard.errors import GuardError


class ClipPlayer:
    """The pictures of a file, over and over."""

    def __init__(self, file: Path) -> None:
        """Raises NoVideoError."""
        first, self.fps = filmed(file)
        self.taken = 0
        self._pictures = _endless(first, file)

    def next_frame(self) -> VideoFrame:
        """The next picture."""
        self.taken += 1
        return next(self._pictures)


def _endless(first: Iterator[VideoFrame], file: Path) -> Iterator[VideoFrame]:
    yield from first
    while True:
        yield from filmed(file)[0]


async def _send(orders: asyncio.StreamReader) -> None:
    job = JOB.validate_json(await orders.readline())
    player = ClipPlayer(job.file)
    async with (
        ImpairedRelay(to_guard=job.to_guard, to_client=job.to_client, seed=job.seed) as relay,
        WhipPublisher(
            job.url, job.token, player.next_frame, fps=player.fps, loopback=True, exchange=relay.exchange
        ) as publisher,
    ):
        _answer(player, relay)
        ended = asyncio.create_task(publisher.wait_ended())
        answering = asyncio.create_task(_obey(orders, player, relay))
        done, waiting = await asyncio.wait({ended, answering}, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()
        for task in done:
            task.result()


async def _obey(orders: asyncio.StreamReader, player: ClipPlayer, relay: ImpairedRelay) -> None:
    while line := await orders.readline():
        if line.strip() == IMPAIR:
            relay.start_impairing()
        _answer(player, relay)


def _answer(player: ClipPlayer, relay: ImpairedRelay) -> None:
    counts = SenderCounts(
        frames=player.taken,
        media=relay.to_guard.packets,
        nacks=relay.to_client.feedback.nacks,
        plis=relay.to_client.feedback.plis,
    )
    sys.stdout.write(COUNTS.dump_json(counts).decode() + "\n")
    sys.stdout.flush()


async def _main() -> None:
    orders = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    await _send(orders)


if __name__ == "__main__":
    try:
        asyncio.run(_main())
    except GuardError as error:
        sys.exit(f"error: {error}")
