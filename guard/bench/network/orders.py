"""What the bench and its sending process say to each other, as lines of JSON; and the bench's end of it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from guard.bench.network.impairment import Impairment, PacketCounts
from guard.errors import SourceError

IMPAIR, COUNT = b"impair", b"count"
_START_SECONDS = 120.0
_ANSWER_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class SenderJob:
    """Whom to send what, and how bad the network is to be."""

    url: str
    token: str
    file: Path
    to_guard: Impairment
    to_client: Impairment
    seed: int


@dataclass(frozen=True, slots=True)
class SenderCounts:
    """Since the start of the call. media: packets towards the guard since the network turned bad.

    nacks, plis: feedback messages that the guard has sent, also those that were lost on their way.
    """

    frames: int
    media: PacketCounts
    nacks: int
    plis: int


JOB: TypeAdapter[SenderJob] = TypeAdapter(SenderJob)
COUNTS: TypeAdapter[SenderCounts] = TypeAdapter(SenderCounts)


class Sender:
    """A sending process that is connected."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def impair(self) -> SenderCounts:
        """Turn the network bad."""
        return await self._order(IMPAIR)

    async def count(self) -> SenderCounts:
        """What has been sent so far."""
        return await self._order(COUNT)

    async def start(self, job: SenderJob) -> None:
        """Give it its job and wait until it is connected. Raises SourceError where it ends instead."""
        await self._order(JOB.dump_json(job), _START_SECONDS)

    async def _order(self, line: bytes, seconds: float = _ANSWER_SECONDS) -> SenderCounts:
        if self._process.stdin is None or self._process.stdout is None:
            raise SourceError("a sending process has no pipe; this system cannot start processes as needed")
        try:
            self._process.stdin.write(line + b"\n")
            await self._process.stdin.drain()
            async with asyncio.timeout(seconds):
                return COUNTS.validate_json(await self._process.stdout.readline())
        except (OSError, TimeoutError, ValidationError) as error:
            raise SourceError(
                "the sending process has ended (see its message above), or this machine is too busy to start it"
            ) from error


@asynccontextmanager
async def sending(job: SenderJob) -> AsyncIterator[Sender]:
    """A process that does the job while the context lasts. Raises SourceError where it cannot connect."""
    pipe = asyncio.subprocess.PIPE
    command = (sys.executable, "-m", "guard.bench.network.sender")
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
    try:
        sender = Sender(process)
        await sender.start(job)
        yield sender
    finally:
        await _end(process)


async def _end(process: asyncio.subprocess.Process) -> None:
    """Its input ends, and with it the call; by force where that does not help."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
