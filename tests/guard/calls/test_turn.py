"""Media through a real TURN server (coturn) only, and servers that let nobody in."""

from __future__ import annotations

import asyncio
import re
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aioice import turn

from guard.calls.peer import peers_here
from guard.calls.receiving_peer import ReceivingPeer
from guard.calls.whep.client import whep_endpoint
from guard.calls.whep.source import WhepVisit
from guard.calls.whip_sink import WhipSink
from guard.config import CallsConfig
from guard.errors import JoinError, SignallingError
from tests.whep_server import TOKEN, AiortcSender, whep_server
from tests.whip_endpoint import Recorder, number_of, until

USER, PASSWORD = "guard", "s3cret"


@asynccontextmanager
async def turn_server(folder: Path) -> AsyncIterator[int]:
    """A coturn on loopback with one user; gives its port."""
    executable = shutil.which("turnserver")
    if executable is None:
        pytest.skip("coturn is not on this machine")
    port = free_port()
    # Peers on loopback are for tests only: in production they would open this machine's own services.
    options = ["-n", "-L", "127.0.0.1", "-E", "127.0.0.1", "-p", str(port), "--lt-cred-mech", "-r", "local"]
    options += ["-u", f"{USER}:{PASSWORD}", "--allow-loopback-peers", "--no-tls", "--no-dtls", "--no-cli"]
    options += ["--pidfile", str(folder / "pid"), "-b", str(folder / "db"), "--log-file", str(folder / "log")]
    process = await asyncio.create_subprocess_exec(
        executable, *options, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        await until(lambda: is_bound(port))
        yield port
    finally:
        process.terminate()
        await process.wait()


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_bound(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def through(port: int, password: str = PASSWORD) -> CallsConfig:
    server = {"url": f"turn:127.0.0.1:{port}", "username": USER, "credential": password}
    return CallsConfig.model_validate({"loopback": True, "ice_servers": [server], "relay_only": True})


async def test_a_video_comes_through_the_relay_and_no_other_address_is_told(tmp_path: Path) -> None:
    sender, listener = AiortcSender(), Recorder()
    offers: list[str] = []

    async def answer(offer_sdp: str) -> str:
        offers.append(offer_sdp)
        return await sender.answer(offer_sdp)

    async with turn_server(tmp_path) as port, whep_server(answer) as server:
        visit = WhepVisit(
            whep_endpoint(server.url, TOKEN), "standup", "ann", 65_536, peers_here(through(port), listener)
        )
        staying = asyncio.create_task(visit.run(lambda: None))
        await until(lambda: listener.received("ann") >= 30, 60)
        staying.cancel()
        await asyncio.wait({staying})
    [offer] = offers
    assert set(re.findall(r"a=candidate:.* typ (\w+)", offer)) == {"relay"}
    assert None not in {number_of(frame) for frame in listener.take("ann")}
    await sender.vanish()


async def test_a_wrong_password_is_told(tmp_path: Path) -> None:
    sender, listener = AiortcSender(), Recorder()
    async with turn_server(tmp_path) as port, whep_server(sender.answer) as server:
        visit = WhepVisit(
            whep_endpoint(server.url, TOKEN), "standup", "ann", 65_536, peers_here(through(port, "wrong"), listener)
        )
        with pytest.raises(JoinError, match="check the TURN server and its password") as failure:
            await visit.run(lambda: None)
        assert server.posts == []
    assert "wrong" not in str(failure.value)


async def test_a_publisher_hears_of_a_turn_server_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*_arguments: object, **_options: object) -> None:
        raise ConnectionRefusedError(111, "Connection refused")

    monkeypatch.setattr(turn, "create_turn_endpoint", refuse)
    offering = ReceivingPeer("standup", CallsConfig(loopback=True), Recorder())
    sender = AiortcSender()
    offer = (await sender.answer(await offering.offer())).replace("a=setup:active", "a=setup:actpass")
    sink = WhipSink(through(free_port()), Recorder())
    with pytest.raises(SignallingError, match="check the TURN server") as failure:
        await sink.accept("standup", "ann", offer)
    assert failure.value.status == 503
    assert len(sink) == 0
    await sink.close()
    await offering.end("over")
    await sender.vanish()
