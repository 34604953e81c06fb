"""Sends one clip to a guard over a bad network, from a process of its own: `python -m guard.bench.network.sender`.

It is ready once it is connected. Its orders: `impair` turns the network bad, `count` asks for the counts so far.

The clip is encoded live, so that a keyframe can follow a picture-loss indication; it is played in a loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from av import VideoFrame

from guard.bench.child import Answer, run_child
from guard.bench.network.clips import filmed
from guard.bench.network.orders import COUNT, COUNTS, IMPAIR, JOB, SenderCounts
from guard.bench.network.relay import ImpairedRelay
from guard.calls.publisher import WhipPublisher


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


@asynccontextmanager
async def _sending(line: bytes) -> AsyncIterator[Mapping[str, Answer]]:
    job = JOB.validate_json(line)
    player = ClipPlayer(job.file)
    async with (
        ImpairedRelay(to_guard=job.to_guard, to_client=job.to_client, seed=job.seed) as relay,
        WhipPublisher(
            job.url, job.token, player.next_frame, fps=player.fps, loopback=True, exchange=relay.exchange
        ) as publisher,
    ):
        ended = asyncio.create_task(publisher.wait_ended())

        async def impair() -> None:
            relay.start_impairing()

        async def count() -> object:
            if ended.done():
                ended.result()  # Raises what the player raised.
            counts = SenderCounts(
                frames=player.taken,
                media=relay.to_guard.packets,
                nacks=relay.to_client.feedback.nacks,
                plis=relay.to_client.feedback.plis,
            )
            return COUNTS.dump_python(counts, mode="json")

        yield {IMPAIR: impair, COUNT: count}
        ended.cancel()


if __name__ == "__main__":
    run_child(_sending)
