"""What the bench and its sending process say to each other; and the bench's end of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from guard.bench.child import ChildProcess, child_process
from guard.bench.network.impairment import Impairment, PacketCounts

IMPAIR, COUNT = "impair", "count"
_MODULE = "guard.bench.network.sender"


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
    """A sending process that is connected. Its orders raise SourceError where it has ended."""

    def __init__(self, process: ChildProcess) -> None:
        self._process = process

    async def impair(self) -> None:
        """Turn the network bad."""
        await self._process.ask(IMPAIR)

    async def count(self) -> SenderCounts:
        """What has been sent so far."""
        return COUNTS.validate_python(await self._process.ask(COUNT))


@asynccontextmanager
async def sending(job: SenderJob) -> AsyncIterator[Sender]:
    """A process that does the job while the context lasts. Raises SourceError where it cannot connect."""
    async with child_process(_MODULE, JOB.dump_json(job)) as process:
        yield Sender(process)
