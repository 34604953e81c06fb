"""A worker that is not ours any more: it is ended, or what it says changes nothing."""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from guard.config import CallsConfig
from guard.errors import SignallingError
from guard.isolation import order_channel, worker_process
from guard.isolation.crop_ring import RingWriter
from guard.isolation.messages import EndPeer, TakeOffer, WorkerSettings
from guard.isolation.worker_process import WorkerProcess
from guard.media.front_end import FaceFrame, NoFrame
from tests.guard.isolation import bad_worker
from tests.whip_endpoint import until


class Peer:
    """Hears what a worker says of it."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def on_joined(self, stream: int) -> None:
        self.heard.append(f"joined {stream}")

    def on_frames(self, stream: int, frames: list[FaceFrame | NoFrame], missed: int) -> None:
        self.heard.append(f"frames {stream}")

    def on_stream_ended(self, stream: int, why: str) -> None:
        self.heard.append(f"ended {stream}")

    def on_gone(self, why: str) -> None:
        self.heard.append("gone")

    def look(self) -> None:
        """Time passes."""


def make_worker(mode: float) -> WorkerProcess:
    settings = WorkerSettings(calls=CallsConfig(), min_fps=mode, parent=os.getpid(), memory_bytes=1 << 30)
    return WorkerProcess(settings, rings=2)


@pytest.mark.parametrize(
    ("rung", "heard"),
    [
        (bytes((1,)), ["frames 1"]),
        (bytes((0, 0)), ["frames 0"]),
        (bytes((1, 0, 200)), ["frames 0", "frames 1"]),
        (bytes((7,)), []),
        (bytes((7,)) * 100, ["frames 0", "frames 1"]),
    ],
    ids=["one", "one-twice", "both-and-a-stranger", "a-stranger", "too-many-to-trust"],
)
async def test_a_bell_tells_which_stream_has_a_frame(rung: bytes, heard: list[str]) -> None:
    worker, peer = make_worker(0.0), Peer()
    number = worker.add(peer)
    for _ in range(2):
        ring = worker.open_ring(number)
        RingWriter(worker._rings[ring]).write(NoFrame(None, 0.0, time.monotonic(), 30.0), 1)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.send(rung)
        worker._on_bell(ours)
    assert sorted(peer.heard) == heard


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        (bad_worker.GARBAGE, "broke its protocol"),
        (bad_worker.ENDLESS_LINE, "broke its protocol"),
        (bad_worker.FLOOD, "talked too much"),
        (bad_worker.SILENCE, "did not answer"),
        (bad_worker.STRANGER, "ended"),
        (bad_worker.BELLS, "ended"),
    ],
)
async def test_a_worker_that_misbehaves_is_ended_and_its_peers_hear_of_nothing_else(
    monkeypatch: pytest.MonkeyPatch, mode: float, said: str
) -> None:
    monkeypatch.setattr(worker_process, "WORKER_MODULE", "tests.guard.isolation.bad_worker")
    worker, peer = make_worker(mode), Peer()
    number = worker.add(peer)
    assert (number, worker.open_ring(number)) == (1, 0)
    async with asyncio.timeout(60):
        assert said in await worker.run()
    assert peer.heard == ["gone"]
    assert not is_running(worker.pid)


@pytest.mark.parametrize(
    ("mode", "said"), [(bad_worker.SILENCE, "did not answer"), (bad_worker.LATE_GARBAGE, "broke its protocol")]
)
async def test_a_worker_that_leaves_orders_unread_is_ended_all_the_same(
    monkeypatch: pytest.MonkeyPatch, mode: float, said: str
) -> None:
    monkeypatch.setattr(worker_process, "WORKER_MODULE", "tests.guard.isolation.bad_worker")
    worker, peer = make_worker(mode), Peer()
    running = asyncio.create_task(worker.run())
    async with asyncio.timeout(60):
        await worker.ready.wait()
        number = worker.add(peer)
        # An offer that passes every check, and of which a socket takes less than half.
        order = TakeOffer(request=0, peer=number, sdp="v=0" + "\x01" * 65_000, streams={}, multistream=False)
        with pytest.raises(SignallingError, match=said):
            await worker.request(0, order)
        assert said in await running
    assert peer.heard == ["gone"]
    assert not is_running(worker.pid)


async def test_a_worker_that_beats_but_takes_no_orders_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_process, "WORKER_MODULE", "tests.guard.isolation.bad_worker")
    monkeypatch.setattr(order_channel, "_MAX_QUEUED_BYTES", 1_000_000)
    worker, peer = make_worker(bad_worker.DEAF), Peer()
    running = asyncio.create_task(worker.run())
    async with asyncio.timeout(60):
        await worker.ready.wait()
        number = worker.add(peer)
        for _ in range(10):
            worker.send(EndPeer(peer=number, why="x" * 400_000))
        assert "did not take its orders" in await running
    assert peer.heard == ["gone"]
    assert not is_running(worker.pid)


async def test_cancelling_ends_the_process_and_tells_its_peers() -> None:
    worker, peer = make_worker(12.0), Peer()
    worker.add(peer)
    running = asyncio.create_task(worker.run())
    async with asyncio.timeout(60):
        await worker.ready.wait()
    running.cancel()
    await asyncio.wait({running})
    assert running.cancelled()
    assert peer.heard == ["gone"]
    assert not is_running(worker.pid)


@pytest.mark.parametrize("spare", range(16))
async def test_a_start_that_runs_out_of_descriptors_keeps_none(monkeypatch: pytest.MonkeyPatch, spare: int) -> None:
    monkeypatch.setattr(worker_process, "WORKER_MODULE", "tests.guard.isolation.bad_worker")
    gc.collect()
    before = descriptors()
    # The first few do not suffice for the memory, some more not for the process, and the last ones for all.
    with few_descriptors(spare), suppress(OSError):
        async with asyncio.timeout(60):
            why = await make_worker(bad_worker.FLOOD).run()
            assert "cannot be started: Too many open files" in why or "talked too much" in why
    gc.collect()
    # The loop closes the pipe of a process that has ended a little later.
    await until(lambda: descriptors() <= before)


@contextmanager
def few_descriptors(spare: int) -> Iterator[None]:
    """Take all file descriptors that this process may have, but so many."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken: list[int] = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(descriptors()) + 20, limits[1]))
    try:
        with suppress(OSError):
            while True:
                taken.append(os.open(os.devnull, os.O_RDONLY))
        for _ in range(spare):
            os.close(taken.pop())
        yield
    finally:
        for descriptor in taken:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def descriptors() -> set[int]:
    """What this process has open."""
    return {int(path.name) for path in Path("/proc/self/fd").iterdir() if path.exists()}


def is_running(pid: int | None) -> bool:
    assert pid is not None
    return Path(f"/proc/{pid}").exists()
