"""Peers whose worker keeps to its protocol and still does not do what it was told."""

from __future__ import annotations

import pytest

from guard.config import CallsConfig
from guard.isolation import isolated_peer, worker_process
from guard.isolation.supervisor import Supervisor
from tests.guard.isolation import bad_worker
from tests.whip_endpoint import Recorder, until

CONFIG = CallsConfig(max_participants=4, streams_per_worker=2, close_seconds=0.1)


@pytest.mark.parametrize("multistream", [False, True])
async def test_a_worker_that_never_reports_a_connection_holds_no_stream(
    monkeypatch: pytest.MonkeyPatch, multistream: bool
) -> None:
    monkeypatch.setattr(worker_process, "WORKER_MODULE", "tests.guard.isolation.bad_worker")
    monkeypatch.setattr(isolated_peer, "_JOIN_SECONDS", 1.5)
    listener = Recorder()
    reasons: list[str] = []
    workers = Supervisor(CONFIG, bad_worker.NO_JOIN, listener)
    try:
        await workers.start()
        peer = workers.peer(
            "standup",
            multistream=multistream,
            on_stream_ended=(lambda _mid, _participant, why: reasons.append(why)) if multistream else None,
            on_ended=reasons.append,
        )
        assert await peer.answer("v=0", {"0": "ann"}) == "v=0"
        assert set(peer.streams) == {"0"}
        # The worker does not confirm the end either.
        await until(lambda: len(reasons) == 1)
        assert reasons == ["no connection within 1.5 s"]
        assert not peer.streams
        assert peer.is_ending != multistream
        await peer.end("done")
    finally:
        await workers.close()
    assert listener.events == []
