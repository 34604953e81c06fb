"""Participants who mean well: `python -m tests.hostile.bystander SECONDS URL...`, the join token on stdin.

Each publishes SECONDS of a talking head, encoded before, in a loop for as long as the process lives, and comes back
when the guard is not heard of any more. Whenever one is connected, its URL and the address of the guard's media port
are printed.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from contextlib import suppress
from itertools import count, cycle, islice
from typing import Any

import av
from aiortc.rtcdtlstransport import RTCDtlsTransport

from guard.bench.clip import FPS, encode_clip, numbered, puppet_pictures
from guard.calls.publisher import WhipPublisher
from guard.errors import ServerError

_LOOK_SECONDS = 0.25
_SILENT_SECONDS = 4.0
"""The guard reports on what it receives at least every 1.5 s."""


def _player(packets: list[bytes]) -> Callable[[], av.Packet[Any]]:
    playing = cycle(packets)
    return lambda: av.Packet(next(playing))


async def _attend(url: str, token: str, packets: list[bytes]) -> None:
    while True:
        # Refused for as long as the guard takes the connection that was lost for one that stands.
        with suppress(ServerError):
            async with WhipPublisher(url, token, _player(packets), loopback=True) as publisher:
                connection = publisher._connection
                assert connection is not None
                transport = connection.getSenders()[0].transport
                remote = next(iter(transport.transport._connection._nominated.values())).remote_candidate
                sys.stdout.write(f"{url} {remote.host} {remote.port}\n")
                sys.stdout.flush()
                await _until_silent(transport)
        await asyncio.sleep(_LOOK_SECONDS)


async def _until_silent(transport: RTCDtlsTransport) -> None:
    heard, silent_seconds = -1, 0.0
    while silent_seconds < _SILENT_SECONDS:
        await asyncio.sleep(_LOOK_SECONDS)
        received = transport._RTCDtlsTransport__rx_packets  # type: ignore[attr-defined]
        silent_seconds = 0.0 if received != heard else silent_seconds + _LOOK_SECONDS
        heard = received


async def _attend_all(urls: list[str], token: str, clip_seconds: float) -> None:
    frames = round(clip_seconds * FPS)
    async with asyncio.TaskGroup() as people:
        for face, url in zip(count(), urls, strict=False):
            packets = encode_clip(numbered(islice(puppet_pictures()(face), frames)))
            people.create_task(_attend(url, token, packets))
            await asyncio.sleep(0)


if __name__ == "__main__":
    asyncio.run(_attend_all(sys.argv[2:], sys.stdin.readline().strip(), float(sys.argv[1])))
