"""The guard's side of one worker: starts the process, talks to it, takes its face frames, and ends it."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from itertools import count
from pathlib import Path
from typing import Protocol

import guard
from guard.calls.rate_limit import TokenBucket
from guard.errors import SignallingError
from guard.isolation.crop_ring import RingReader, closed_on_error, create_segment, map_segment
from guard.isolation.messages import (
    OUT_OF_MEMORY,
    Beat,
    Measure,
    Order,
    PeerEnded,
    Ready,
    Reply,
    Report,
    Start,
    StreamEnded,
    StreamJoined,
    WorkerSettings,
    read_report,
    short,
)
from guard.isolation.order_channel import OrderChannel
from guard.media.front_end import FaceFrame, NoFrame

logger = logging.getLogger(__name__)

WORKER_MODULE = "guard.isolation.worker"
START_SECONDS = 30.0
"""Loading its libraries takes a worker 2 s, and a busy machine many times that."""
SILENT_SECONDS = 3.0
"""A worker that says nothing for so long is ended; it beats twice a second."""
REQUEST_SECONDS = 15.0
"""A worker that does not answer for so long has refused."""
_LOOK_SECONDS = 0.5
_MAX_REPORTS_PER_SECOND = 200.0
_BELL_BYTES = 4096
_MOST_BELLS = 64
"""A socket holds a few hundred of them."""
_BELL_PAUSE_SECONDS = 0.05
_MAX_OUTPUT_PER_SECOND = 20.0
_OUTPUT_BYTES = 2048
_UNAVAILABLE = 503
_EXIT_SECONDS = 1.0
_ENDED = "the process that received the video ended"
_OUT_OF_MEMORY = "the process that received the video had no more memory"


class WorkersPeer(Protocol):
    """A peer that lives in a worker, as far as the worker's reports concern it."""

    def on_joined(self, stream: int) -> None:
        """Frames of this stream may come."""

    def on_frames(self, stream: int, frames: list[FaceFrame | NoFrame], missed: int) -> None:
        """Frames have come, and so many more were lost."""

    def on_stream_ended(self, stream: int, why: str) -> None:
        """No frame of this stream comes any more."""

    def on_gone(self, why: str) -> None:
        """Nothing of the peer is left over there."""

    def look(self) -> None:
        """Some time has passed."""


class WorkerProcess:
    """One process, from its start to its end. `run` once; everything else is for the time meanwhile.

    Lives on one event loop.
    """

    def __init__(self, settings: WorkerSettings, rings: int) -> None:
        self._settings = settings
        self._free_rings = list(range(rings))[::-1]
        self._peers: dict[int, WorkersPeer] = {}
        self._readers: dict[int, tuple[RingReader, int]] = {}
        """Ring and peer of every stream."""
        self._numbers: Iterator[int] = count(1)
        self._requests: dict[int, asyncio.Future[Reply]] = {}
        self._reports = TokenBucket(_MAX_REPORTS_PER_SECOND)
        self._bells = TokenBucket(float(settings.calls.max_fps * rings))
        self._silent_looks = 0
        self._process: asyncio.subprocess.Process | None = None
        self._orders = OrderChannel()
        self._segment = create_segment(rings)
        with closed_on_error(self._segment):
            self._rings = map_segment(self._segment)
        self.ready = asyncio.Event()
        self.measures: tuple[Measure, ...] = ()
        """How the worker is confined, once it is ready."""

    @property
    def pid(self) -> int | None:
        """The process's number, once it was started."""
        return self._process.pid if self._process is not None else None

    # --- for peers ----------------------------------------------------------------------------------------------

    def add(self, peer: WorkersPeer) -> int:
        """Give a peer its number."""
        number = next(self._numbers)
        self._peers[number] = peer
        return number

    def open_ring(self, peer: int) -> int:
        """An empty ring for a new stream. Raises SignallingError where there is none."""
        if not self._free_rings:
            raise SignallingError("all streams of this process are in use; try later", _UNAVAILABLE)
        ring = self._free_rings.pop()
        self._rings[ring] = 0
        self._readers[ring] = RingReader(self._rings[ring]), peer
        return ring

    def send(self, order: Order) -> None:
        """Give an order; what a worker that has ended is told is lost."""
        self._orders.send(order)

    async def request(self, request: int, order: Order) -> str | None:
        """Give an order that asks for an answer. Raises SignallingError where it is refused, or the worker ends."""
        answer: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._requests[request] = answer
        try:
            self._orders.ask(order)
            async with asyncio.timeout(REQUEST_SECONDS):
                reply = await answer
        except TimeoutError as error:
            raise SignallingError("the connection could not be set up in time; try again", _UNAVAILABLE) from error
        finally:
            del self._requests[request]
        if reply.error is not None:
            raise SignallingError(reply.error, reply.status)
        return reply.sdp

    def next_request(self) -> int:
        """A number for a request."""
        return next(self._numbers)

    # --- the process's life -------------------------------------------------------------------------------------

    async def run(self) -> str:
        """Start the process and follow it to its end; returns why it ended. Cancel it to end it.

        When it returns or is cancelled the process is gone, and every peer knows.
        """
        why = "the guard is shutting down"
        try:
            with ExitStack() as held:
                why = await self._follow(await self._start(held))
        except OSError as error:
            why = f"a process for receiving video cannot be started: {error.strerror or error}"
        except Exception:
            why = "the guard had an internal error while receiving"
            raise
        finally:
            try:
                self._finish(why)
            finally:
                await self._kill()
        return why

    async def _start(self, held: ExitStack) -> asyncio.StreamReader:
        """Start the process; returns where its reports come from. What belongs to it goes into `held`."""
        held.callback(os.close, self._segment)
        ours, theirs = _socket_pair(held)
        # Two ends, not one eventfd: the worker could make a shared one block.
        bell, rope = _socket_pair(held)
        bell.setblocking(False)
        rope.setblocking(False)
        self._process = await _spawn(theirs, rope, self._segment)
        for given in (theirs, rope):
            given.close()
        held.callback(self._orders.close)
        reader = await self._orders.open(ours)
        self.send(Start(settings=self._settings))
        loop = asyncio.get_running_loop()
        held.callback(loop.remove_reader, bell)
        loop.add_reader(bell, self._on_bell, bell)
        return reader

    async def _follow(self, reader: asyncio.StreamReader) -> str:
        """Until the worker ends or has to be ended; why."""
        output = asyncio.create_task(self._log_output(), name="output of a worker")
        reading = asyncio.create_task(self._read(reader), name="reports of a worker")
        watching = asyncio.create_task(self._watch(), name="watch over a worker")
        try:
            done, _ = await asyncio.wait({reading, watching}, return_when=asyncio.FIRST_COMPLETED)
            return done.pop().result()
        finally:
            for task in (output, reading, watching):
                task.cancel()

    async def _read(self, reader: asyncio.StreamReader) -> str:
        try:
            while line := await reader.readline():
                if not self._reports.take(1, time.monotonic()):
                    return "the process that received the video talked too much"
                self._silent_looks = 0
                self._on_report(read_report(line))
        except ValueError as error:
            logger.warning("a worker broke the protocol: %s", error)
            return "the process that received the video broke its protocol"
        except ConnectionError:
            pass
        return await self._exit_reason()

    async def _exit_reason(self) -> str:
        """Of a worker whose socket is closed, and which is about to end or has ended."""
        try:
            async with asyncio.timeout(_EXIT_SECONDS):
                status = await self._process.wait() if self._process is not None else None
        except TimeoutError:
            status = None
        return _OUT_OF_MEMORY if status == OUT_OF_MEMORY else _ENDED

    async def _watch(self) -> str:
        """Counts looks, not seconds: an event loop that was held up itself has not read what came meanwhile."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            self._silent_looks += 1
            patience = SILENT_SECONDS if self.ready.is_set() else START_SECONDS
            if self._silent_looks > patience / _LOOK_SECONDS:
                return "the process that received the video did not answer"
            if self._orders.is_overrun:
                return "the process that received the video did not take its orders"
            for peer in list(self._peers.values()):
                peer.look()

    async def _log_output(self) -> None:
        """What the worker writes may be an attacker's: only so much of it, and nothing that a terminal would obey."""
        output = self._process.stderr if self._process is not None else None
        allowed = TokenBucket(_MAX_OUTPUT_PER_SECOND)
        while output is not None and (text := await output.read(_OUTPUT_BYTES)):
            if allowed.take(1, time.monotonic()):
                logger.warning("worker %s: %s", self.pid, ascii(text.decode("ascii", "replace").strip())[1:-1])

    def _finish(self, why: str) -> None:
        self.ready.clear()
        for answer in self._requests.values():
            if not answer.done():
                answer.set_result(Reply(request=0, error=short(why)))
        peers, self._peers = self._peers, {}
        for peer in peers.values():
            peer.on_gone(why)

    async def _kill(self) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()

    # --- reports ------------------------------------------------------------------------------------------------

    def _on_report(self, report: Report) -> None:
        """Act on a report; one about a peer or a stream that it has nothing to do with changes nothing."""
        match report:
            case Ready():
                self.measures = report.measures
                self.ready.set()
            case Beat():
                pass
            case Reply():
                answer = self._requests.get(report.request)
                if answer is not None and not answer.done():
                    answer.set_result(report)
            case StreamJoined() if self._owns(report.peer, report.stream):
                self._peers[report.peer].on_joined(report.stream)
                self._take(report.stream)
            case StreamEnded() if self._owns(report.peer, report.stream):
                self._take(report.stream)
                self._free(report.stream)
                self._peers[report.peer].on_stream_ended(report.stream, report.why)
            case PeerEnded() if report.peer in self._peers:
                for ring in [ring for ring, (_, peer) in self._readers.items() if peer == report.peer]:
                    self._free(ring)
                self._peers.pop(report.peer).on_gone(report.why)
            case _:
                pass

    def _owns(self, peer: int, stream: int) -> bool:
        return peer in self._peers and stream in self._readers and self._readers[stream][1] == peer

    def _free(self, ring: int) -> None:
        del self._readers[ring]
        self._free_rings.append(ring)

    # --- frames -------------------------------------------------------------------------------------------------

    def _on_bell(self, bell: socket.socket) -> None:
        rung = b""
        with suppress(BlockingIOError, ConnectionError):
            if not (rung := bell.recv(_BELL_BYTES)):
                asyncio.get_running_loop().remove_reader(bell)
        if not self._bells.take(1, time.monotonic()):
            loop = asyncio.get_running_loop()
            loop.remove_reader(bell)
            loop.call_later(_BELL_PAUSE_SECONDS, self._listen_again, bell)
        # So many at once that some may have found no room, or none: look everywhere.
        everywhere = not 0 < len(rung) <= _MOST_BELLS
        for ring in self._readers if everywhere else self._readers.keys() & set(rung):
            self._take(ring)

    def _listen_again(self, bell: socket.socket) -> None:
        if bell.fileno() >= 0:
            asyncio.get_running_loop().add_reader(bell, self._on_bell, bell)

    def _take(self, ring: int) -> None:
        reader, number = self._readers[ring]
        peer = self._peers.get(number)
        frames, missed = reader.take(time.monotonic())
        if peer is not None and (frames or missed):
            peer.on_frames(ring, frames, missed)


def _socket_pair(held: ExitStack) -> tuple[socket.socket, socket.socket]:
    """Two connected sockets that are closed with `held`."""
    one, other = socket.socketpair()
    return held.enter_context(one), held.enter_context(other)


async def _spawn(channel: socket.socket, rope: socket.socket, segment: int) -> asyncio.subprocess.Process:
    given = (channel.fileno(), rope.fileno(), segment)
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", WORKER_MODULE, *map(str, given)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        pass_fds=given,
        cwd="/",
        env=_environment(),
        # Ctrl-C is for the guard, which ends its workers in order.
        start_new_session=True,
    )


def _environment() -> dict[str, str]:
    """Nothing of the guard's own environment, which holds tokens."""
    return {
        "PYTHONPATH": str(Path(guard.__file__).parent.parent),
        "PYTHONDONTWRITEBYTECODE": "1",
        "LANG": "C.UTF-8",
        # Every arena reserves 64 MB of the address space that a worker may have.
        "MALLOC_ARENA_MAX": "2",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
