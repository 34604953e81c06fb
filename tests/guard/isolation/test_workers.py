"""Workers as real processes that receive real WebRTC on loopback: what comes out, and what happens when one dies."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from av import VideoFrame

from guard.config import CallsConfig
from guard.isolation import supervisor, worker
from guard.media.front_end import FaceFrame, NoFrame
from tests.guard.isolation.conftest import Isolated, Publish, encode, isolated_endpoint
from tests.whip_endpoint import until

CONFIG = CallsConfig(loopback=True, max_participants=4, streams_per_worker=1, close_seconds=2.0)
ENDS_WITHIN_SECONDS = 8.0
"""From the loss of a worker to its streams' `participant_left`; a silent one is given 3 s, a busy machine the rest."""


def faces(call: Isolated, participant: str) -> list[FaceFrame]:
    queue = call.listener.faces["standup", participant]
    frames: list[FaceFrame | NoFrame] = []
    while (frame := queue.pop()) is not None:
        frames.append(frame)
    return [frame for frame in frames if isinstance(frame, FaceFrame)]


def told_by_kernel(pid: int, what: str) -> str:
    return Path(f"/proc/{pid}/{what}").read_text()


def status_of(pid: int) -> dict[str, str]:
    return dict(line.split(":\t", 1) for line in told_by_kernel(pid, "status").splitlines())


def is_running(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def stop(pid: int) -> None:
    os.kill(pid, signal.SIGSTOP)


@pytest.mark.parametrize(
    ("harm", "said"),
    [(kill, "ended"), (stop, "did not answer")],
    ids=["killed", "stopped"],
)
async def test_a_lost_worker_costs_its_own_streams_a_new_join_and_nobody_else_anything(
    publish: Publish, harm: Callable[[int], None], said: str
) -> None:
    async with isolated_endpoint(CONFIG) as call:
        ann, ben = publish(call.endpoint.seat("ann")), publish(call.endpoint.seat("ben"))
        async with ben, ann:
            await until(lambda: min(call.received("ann"), call.received("ben")) >= 30)
            bens, anns = call.workers.pids
            harmed = time.monotonic()
            harm(anns)
            await until(lambda: call.listener.of("ann") == ["joined", "left"])
            assert time.monotonic() - harmed < ENDS_WITHIN_SECONDS
            assert said in call.listener.reasons[0]
            await until(lambda: len(call.endpoint.sink) == 1)
            before = call.received("ben")
            await until(lambda: call.received("ben") >= before + 30)
            async with publish(call.endpoint.seat("ann")):
                await until(lambda: call.listener.of("ann") == ["joined", "left", "joined"])
                await until(lambda: call.received("ann") >= 10)
                assert call.workers.pids[0] == bens
                assert anns not in call.workers.pids
            assert call.listener.of("ben") == ["joined"]
            queue = call.listener.faces["standup", "ben"]
            assert queue.dropped == 0
            for earlier, later in pairwise(faces(call, "ben")):
                # A busy sender leaves pictures out, and a crop may move; nothing else breaks the run.
                step = later.pts_seconds - earlier.pts_seconds
                assert later.continues or step > 0.05 or later.crop_generation != earlier.crop_generation
    assert not is_running(anns)
    assert not is_running(bens)


async def test_a_worker_without_memory_ends_in_time_and_alone(
    publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit is what a worker with 640x360 takes and what a thread may still reserve, 64 MB; pictures of 7680x4320
    take 50 MB each, and a decoder holds several."""
    config = CONFIG.model_copy(update={"max_width_px": 7680, "max_height_px": 4320})
    async with isolated_endpoint(config) as call, publish(call.endpoint.seat("ben")):
        await until(lambda: call.received("ben") >= 30)
        # Not of an idle one: memory is also reserved for threads when they first ask for some.
        warm_bytes = 1024 * int(status_of(call.workers.pids[0])["VmSize"].split()[0])
    monkeypatch.setattr(supervisor, "_BASE_BYTES", warm_bytes + worker.SPARE_BYTES + (64 << 20))
    monkeypatch.setattr(supervisor, "_STREAM_BYTES", 0)
    large = encode([VideoFrame(7680, 4320, "yuv420p") for _ in range(5)])
    async with isolated_endpoint(config) as call, publish(call.endpoint.seat("ben")):
        await until(lambda: call.received("ben") >= 30)
        async with publish(call.endpoint.seat("ann"), packets=large):
            await until(lambda: call.listener.of("ann") == ["joined", "left"])
            assert "memory" in call.listener.reasons[0]
        async with publish(call.endpoint.seat("ann")):
            await until(lambda: call.received("ann") >= 10)
        assert call.listener.of("ben") == ["joined"]
        assert call.listener.faces["standup", "ben"].dropped == 0


async def test_streams_share_a_worker_up_to_its_limit_and_the_parents_secrets_stay_with_the_parent(
    publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GUARD_SERVER__TOKEN", "t0ken-of-the-guard")
    async with isolated_endpoint(CONFIG.model_copy(update={"streams_per_worker": 2})) as call:
        ann, ben = publish(call.endpoint.seat("ann")), publish(call.endpoint.seat("ben"))
        async with ann, ben:
            await until(lambda: min(call.received("ann"), call.received("ben")) >= 10)
            [pid] = call.workers.pids
            for what in ("environ", "cmdline"):
                assert "t0ken" not in told_by_kernel(pid, what)
                assert "standup" not in told_by_kernel(pid, what)
            libraries = told_by_kernel(pid, "maps")
            assert "libavcodec" in libraries
            assert "onnxruntime" not in libraries
            assert "sqlite" not in libraries
            status = status_of(pid)
            assert status["NoNewPrivs"] == "1"
            assert status["Seccomp"] == "2"
            if os.geteuid() == 0:
                assert set(status["Uid"].split()) == {"65534"}
                assert int(status["CapEff"], 16) == 0
            assert all(measure.holds for measure in call.workers.measures)
    assert call.listener.of("ann") == call.listener.of("ben") == ["joined", "left"]
    assert set(call.listener.reasons) == {"the publisher left"}
