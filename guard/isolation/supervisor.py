"""Keeps workers running and gives them peers: one worker's end is the end of its own streams and of no others."""

from __future__ import annotations

import asyncio
import logging
import math
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from random import SystemRandom

from guard.calls.backoff import Backoff, BackoffPolicy
from guard.config import CallsConfig
from guard.errors import ConfigError, SignallingError
from guard.isolation.isolated_peer import IsolatedPeer, Lease
from guard.isolation.messages import Measure, WorkerSettings
from guard.isolation.worker_process import START_SECONDS, WorkerProcess
from guard.media.latest_faces import FaceListener, LatestFaces

logger = logging.getLogger(__name__)

_BASE_BYTES = 1 << 30
_STREAM_BYTES = 96 << 20
"""Address space of a worker: 540 MB with its libraries, and up to 60 MB more with every stream of 1920x1080."""
_UNAVAILABLE = 503


@dataclass(slots=True, eq=False)
class _Post:
    """A place for a worker, which is filled again when its worker ends."""

    backoff: Backoff
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    worker: WorkerProcess | None = None
    """None while the place is vacant."""
    load: int = 0
    """Streams that were promised room."""
    keeping: asyncio.Task[None] | None = None

    @property
    def is_ready(self) -> bool:
        return self.worker is not None and self.worker.ready.is_set()


class Supervisor:
    """Starts workers as they are needed, and anew after they ended: at once at first, then with growing waits.

    Lives on one event loop. What a peer receives is told to `listener`.
    """

    def __init__(self, config: CallsConfig, min_fps: float, listener: FaceListener) -> None:
        self._config = config
        self._listener = listener
        self._posts: list[_Post] = []
        self._max_posts = math.ceil(config.max_participants / config.streams_per_worker) + len(config.sources)
        # A room's peer connection cannot be split over workers.
        largest_room = config.max_participants if config.sources else 0
        self._rings = max(config.streams_per_worker, largest_room)
        self._settings = WorkerSettings(
            calls=config.model_copy(update={"sources": ()}),
            min_fps=min_fps,
            parent=os.getpid(),
            memory_bytes=_BASE_BYTES + self._rings * _STREAM_BYTES,
        )
        self._is_closed = False
        self.measures: tuple[Measure, ...] = ()
        """How workers are confined on this machine, once one was ready."""

    @property
    def pids(self) -> list[int]:
        """The processes that run now."""
        return [post.worker.pid for post in self._posts if post.worker is not None and post.worker.pid is not None]

    async def start(self) -> None:
        """Start the first worker, so that the first call need not wait, and say how it is confined.

        Raises ConfigError where this system has no such processes, SignallingError where it does not come up.
        """
        if sys.platform != "linux":
            raise ConfigError("processes for receiving video need Linux; set calls.isolation to 'none'")
        post = self._add_post()
        await self._wait_ready(post)

    def peer(
        self,
        call: str,
        *,
        multistream: bool = False,
        on_stream_ended: Callable[[str, str, str], None] | None = None,
        on_ended: Callable[[str], None] | None = None,
    ) -> IsolatedPeer:
        """A peer that will live in a worker (`MakePeer`)."""
        return IsolatedPeer(
            call,
            self._config,
            self._listener,
            self._lease,
            multistream=multistream,
            on_stream_ended=on_stream_ended,
            on_ended=on_ended,
        )

    async def close(self) -> None:
        """End all workers."""
        self._is_closed = True
        keeping = [post.keeping for post in self._posts if post.keeping is not None]
        for task in keeping:
            task.cancel()
        await asyncio.gather(*keeping, return_exceptions=True)

    async def _lease(self, multistream: bool) -> Lease:
        """Room for a peer. Raises SignallingError where there is none, or no worker comes up in time."""
        load = self._config.streams_per_worker if multistream else 1
        post = self._choose(load)
        post.load += load
        try:
            worker = await self._wait_ready(post)
        except BaseException:
            post.load -= load
            raise
        return Lease(worker, partial(self._give_back, post, load))

    @staticmethod
    def _give_back(post: _Post, load: int) -> None:
        post.load -= load

    def _choose(self, load: int) -> _Post:
        """A post with room: rather one whose worker is up, and the fullest of those, so that a few workers do."""
        if self._is_closed:
            raise SignallingError("the guard is shutting down", _UNAVAILABLE)
        roomy = [post for post in self._posts if post.load + load <= self._config.streams_per_worker]
        best = max(roomy, key=lambda post: (post.is_ready, -post.backoff.failures, post.load), default=None)
        if best is not None and (best.is_ready or best.backoff.failures == 0):
            return best
        if len(self._posts) < self._max_posts:
            return self._add_post()
        if best is None:
            raise SignallingError("all processes for receiving video are full; try later", _UNAVAILABLE)
        return best

    def _add_post(self) -> _Post:
        post = _Post(Backoff(BackoffPolicy(), SystemRandom()))
        post.keeping = asyncio.create_task(self._keep(post), name="worker for receiving video")
        self._posts.append(post)
        return post

    async def _wait_ready(self, post: _Post) -> WorkerProcess:
        try:
            async with asyncio.timeout(START_SECONDS):
                while post.worker is None or not post.worker.ready.is_set():
                    post.changed.clear()
                    await post.changed.wait()
                return post.worker
        except TimeoutError as error:
            raise SignallingError(
                "no process for receiving video came up in time; try again, or see the guard's log", _UNAVAILABLE
            ) from error

    async def _keep(self, post: _Post) -> None:
        while True:
            try:
                why = await self._fill(post)
            except Exception:
                # Without its keeper a post stays vacant, and is chosen for streams all the same.
                logger.exception("a worker for receiving video failed")
                why = "the guard had an internal error"
            wait_seconds = post.backoff.lost(time.monotonic())
            logger.warning("a worker for receiving video ended: %s; another in %.1f s", why, wait_seconds)
            await asyncio.sleep(wait_seconds)

    async def _fill(self, post: _Post) -> str:
        """Run one worker to its end; why it ended."""
        worker = post.worker = WorkerProcess(self._settings, self._rings)
        announcing = asyncio.create_task(self._announce(post, worker), name="start of a worker")
        try:
            return await worker.run()
        finally:
            announcing.cancel()
            post.worker = None

    async def _announce(self, post: _Post, worker: WorkerProcess) -> None:
        await worker.ready.wait()
        post.backoff.joined(time.monotonic())
        post.changed.set()
        if not self.measures:
            logger.info("confinement of workers: %s", describe(worker.measures))
        self.measures = worker.measures


class _Nobody:
    """A listener for a supervisor without calls."""

    def faces_joined(self, _call: str, _participant: str) -> LatestFaces:
        return LatestFaces()

    def participant_left(self, call: str, participant: str, why: str) -> None:
        """Nobody joins."""


async def how_confined(config: CallsConfig, min_fps: float) -> tuple[Measure, ...]:
    """What holds on this machine, from a worker that is started for it. Raises SignallingError where none comes up."""
    workers = Supervisor(config, min_fps, _Nobody())
    try:
        await workers.start()
        return workers.measures
    finally:
        await workers.close()


def describe(measures: Sequence[Measure]) -> str:
    """What holds on this machine and what does not, on one line."""
    holding = [measure.name for measure in measures if measure.holds]
    failing = [f"{measure.name} ({measure.detail})" for measure in measures if not measure.holds]
    lacking = f"; does NOT hold here: {', '.join(failing)}" if failing else ""
    return f"{', '.join(holding) or 'nothing'}{lacking}"
