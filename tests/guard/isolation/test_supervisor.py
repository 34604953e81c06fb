"""Posts are filled again, whatever went wrong with the last worker."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable

import pytest

from guard.config import CallsConfig
from guard.isolation import messages, worker_process
from guard.isolation.supervisor import Supervisor
from tests.guard.isolation import bad_worker
from tests.whip_endpoint import Recorder

CONFIG = CallsConfig(max_participants=4, streams_per_worker=2, close_seconds=0.1)


def failing_twice(work: Callable[..., object], error: Exception) -> Callable[..., object]:
    """`work`, but the first two calls raise."""
    left = [error, error]

    def call(*arguments: object) -> object:
        if left:
            raise left.pop()
        return work(*arguments)

    return call


@pytest.mark.parametrize(
    ("what", "error"),
    [
        ("create_segment", OSError(errno.EMFILE, os.strerror(errno.EMFILE))),
        ("map_segment", OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))),
        ("_spawn", RuntimeError("can't start new thread")),
    ],
)
async def test_a_worker_that_cannot_be_started_is_started_later(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, what: str, error: Exception
) -> None:
    monkeypatch.setattr(worker_process, "WORKER_MODULE", "tests.guard.isolation.bad_worker")
    monkeypatch.setattr(worker_process, what, failing_twice(getattr(worker_process, what), error))
    workers = Supervisor(CONFIG, bad_worker.DEAF, Recorder())
    try:
        await workers.start()
        assert len(workers.pids) == 1
        assert caplog.text.count(str(error)) == 2
    finally:
        await workers.close()
    assert workers.pids == []


async def test_an_error_while_a_worker_runs_costs_that_worker_only(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The first beat leads to an error of the guard's own."""
    monkeypatch.setattr(worker_process, "WORKER_MODULE", "tests.guard.isolation.bad_worker")
    read = failing_twice(messages.read_report, KeyError("a bug"))
    monkeypatch.setattr(worker_process, "read_report", read)
    workers = Supervisor(CONFIG, bad_worker.DEAF, Recorder())
    try:
        await workers.start()
        assert caplog.text.count("a bug") == 2
        assert len(workers.pids) == 1
    finally:
        await workers.close()
