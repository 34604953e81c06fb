"""A helping process of a bench: it gets a job as one line of JSON, then answers orders, a line each, until told to end.

What a child measures it keeps to itself until the end, so that telling it does not disturb what is measured. The clocks
of the two processes are tied by asking for the time, as often as it takes for one quick answer.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, TypeAlias

from guard.bench.clock_tie import ClockReading, ClockTie, tie_clocks
from guard.errors import GuardError, SourceError

Answer: TypeAlias = "Callable[[], Awaitable[object]]"
StartJob: TypeAlias = "Callable[[bytes], AbstractAsyncContextManager[Mapping[str, Answer]]]"
"""Takes the job, and gives an answer for each order while the context lasts."""

_CLOCK = "clock"
_READY = "ready"
_CLOCK_READINGS = 50
_START_SECONDS = 120.0
_ANSWER_SECONDS = 60.0
_LONGEST_LINE_BYTES = 1 << 28


class ChildProcess:
    """The bench's end."""

    def __init__(self, process: asyncio.subprocess.Process, module: str) -> None:
        self._process = process
        self._name = module.rpartition(".")[2]

    async def ask(self, order: str) -> Any:
        """Give an order and return what the child answers. Raises SourceError where it has ended or is silent."""
        return await self._exchange(order.encode(), _ANSWER_SECONDS)

    async def start(self, job: bytes) -> None:
        """Hand the job over and wait until the child is ready. Raises SourceError where it ends instead."""
        await self._exchange(job, _START_SECONDS)

    async def tie_clock(self) -> ClockTie:
        """How the child's monotonic clock stands to the one of this process."""
        readings = []
        for _ in range(_CLOCK_READINGS):
            asked = time.monotonic()
            told = float(await self.ask(_CLOCK))
            readings.append(ClockReading(asked, told, time.monotonic()))
        return tie_clocks(readings)

    async def _exchange(self, line: bytes, seconds: float) -> Any:
        if self._process.stdin is None or self._process.stdout is None:
            raise SourceError("a helping process has no pipe; this system cannot start processes as needed")
        try:
            self._process.stdin.write(line + b"\n")
            await self._process.stdin.drain()
            async with asyncio.timeout(seconds):
                return json.loads(await self._process.stdout.readline())
        except (OSError, TimeoutError, ValueError) as error:
            raise SourceError(
                f"the bench's process '{self._name}' has ended (see its message above), or this machine is too busy"
            ) from error


@asynccontextmanager
async def child_process(module: str, job: bytes) -> AsyncIterator[ChildProcess]:
    """A process that runs `module` while the context lasts. Raises SourceError where it cannot begin."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module), stdin=pipe, stdout=pipe, limit=_LONGEST_LINE_BYTES
    )
    try:
        child = ChildProcess(process, module)
        await child.start(job)
        yield child
    finally:
        await _end(process)


async def _end(process: asyncio.subprocess.Process) -> None:
    """Its input ends, and with it the job; by force where that does not help."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def run_child(start_job: StartJob) -> None:
    """The child's end: do the job and answer orders until the input ends."""
    try:
        asyncio.run(_obey(start_job))
    except GuardError as error:
        sys.exit(f"error: {error}")


async def _obey(start_job: StartJob) -> None:
    orders = asyncio.StreamReader(limit=_LONGEST_LINE_BYTES)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    async with start_job(await orders.readline()) as answers:
        _answer(_READY)
        while line := await orders.readline():
            order = line.decode().strip()
            _answer(time.monotonic() if order == _CLOCK else await answers[order]())


def _answer(what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()
