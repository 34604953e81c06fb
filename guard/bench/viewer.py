"""A dashboard's stand-in, in a process of its own: `python -m guard.bench.viewer URL`, the token on stdin.

Prints one line for every score that it gets: milliseconds from the arrival of the decoded frame at the guard to the
arrival of the score here, and the frame rate that the guard sees. Both processes read the same machine's clock.
"""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime

from websockets.asyncio.client import connect

from guard.serve.events import EVENT_ADAPTER, ScoreEvent


async def _view(url: str, token: str) -> None:
    async with connect(url, additional_headers={"Authorization": f"Bearer {token}"}) as connection:
        async for message in connection:
            arrived = datetime.now(UTC)
            event = EVENT_ADAPTER.validate_json(message)
            if isinstance(event, ScoreEvent) and event.latency is not None:
                on_the_way_ms = 1000 * (arrived - event.time).total_seconds()
                sys.stdout.write(f"{event.latency.total_ms + on_the_way_ms:.3f} {event.fps:.2f}\n")
                sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(_view(sys.argv[1], sys.stdin.readline().strip()))
