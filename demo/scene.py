"""The scene: three puppets in a call over real WebRTC, one guard, one attack.

Alice and Bob were enrolled from a recording before the call, Carol is enrolled during it. Then another driver takes
over Alice's face; everything else stays as it is.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import cycle
from pathlib import Path

from rich.console import Console
from rich.live import Live

from demo.cast import CALL, CAST, PICTURE_SIZE, Role
from demo.puppet_frames import FPS, make_player
from demo.recording import record
from demo.report import Track
from demo.table import draw
from guard.bench.machine import describe_machine
from guard.config import CallsConfig, GuardConfig, ServerConfig, StoreConfig, load_config
from guard.errors import EnrolmentError, GuardError, SourceError
from guard.offline import enroll_files
from guard.serve.feed import Feed
from guard.serve.service import Consent
from guard.server import RunningGuard, running_guard
from guard.verify.template import consent_text

ENROLMENT_TAKE = 0
_ENROLMENT_MARGIN_SECONDS = 6.0
_ATTACK_EVERY_SECONDS = 30.0
_ATTACK_AFTER_SHARE = 0.4
"""Of a scene of given length: the rest is for finding out."""
_LIVE_ENROLMENT_AFTER_SECONDS = 3.0
_TABLE_SECONDS = 0.5
_START_SECONDS = 60.0
_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
"""For the puppets' small matrices: more threads wait for each other on the cores that the guard needs (14 ms of CPU a
picture in place of 8)."""


async def play(seconds: float | None, json_file: Path | None, port: int, model: str | None) -> None:
    """Play the scene for `seconds`, or until Ctrl-C. Raises GuardError or EngineError where something cannot start."""
    console = Console()
    with tempfile.TemporaryDirectory(prefix="guard-demo-") as folder:
        config = _config(Path(folder), port, model)
        console.print("recording and enrolling alice and bob ...")
        await asyncio.to_thread(_enrol_recordings, config, Path(folder))
        async with running_guard(config) as guard, _actors(guard) as actors:
            console.print(f"dashboard  {guard.dashboard_url}", soft_wrap=True)
            scene = Scene(guard, actors, seconds)
            await scene.run(None if json_file is not None or not console.is_terminal else console)
            report = scene.report()
    if json_file is not None:
        await asyncio.to_thread(json_file.write_text, json.dumps(report, indent=2) + "\n", "utf-8")
    for line in scene.summary():
        console.print(line)


Actors = dict[str, asyncio.subprocess.Process]
"""Each participant's process."""


class Scene:
    """Reads the guard's events, gives the orders of the script and writes down what happens."""

    def __init__(self, guard: RunningGuard, actors: Actors, seconds: float | None) -> None:
        self._guard = guard
        self._actors = actors
        self._seconds = seconds
        self._start = time.monotonic()
        self.tracks = {role.participant: Track(role, role.driver) for role in CAST}

    async def run(self, console: Console | None) -> None:
        """Play until the time is over or a signal comes."""
        end = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, end.set)
        tasks = [asyncio.ensure_future(task) for task in (self._read_events(), self._read_actors(), self._direct())]
        if console is not None:
            tasks.append(asyncio.ensure_future(self._draw(console)))
        ended = asyncio.ensure_future(end.wait())
        done, _ = await asyncio.wait([ended, *tasks], timeout=self._seconds, return_when=asyncio.FIRST_COMPLETED)
        for task in (ended, *tasks):
            task.cancel()
        await asyncio.gather(ended, *tasks, return_exceptions=True)
        for task in done - {ended}:
            task.result()

    def report(self) -> dict[str, object]:
        """The scene as one JSON object."""
        return {
            "seconds": round(time.monotonic() - self._start, 2),
            "machine": describe_machine(),
            "engine": self._guard.monitor.status().engine.model_dump(),
            "participants": [track.report() for track in self.tracks.values()],
        }

    def summary(self) -> list[str]:
        """What happened, a line each."""
        lines = []
        for name, track in self.tracks.items():
            told = track.report()
            if told["attack_seconds"] is None:
                lines.append(f"{name}: {told['final_state']}, {len(track.alerts)} alerts; the driver stayed the same")
            elif told["alert_seconds"] is None:
                lines.append(f"{name}: another driver from {told['attack_seconds']} s on, no alert (yet)")
            else:
                lines.append(
                    f"{name}: another driver from {told['attack_seconds']} s on, "
                    f"alert at {told['alert_seconds']} s, after {told['detection_seconds']} s"
                )
        return lines

    async def _direct(self) -> None:
        """The script: enrol live, then attack, and let the enrolled driver back in, in turn."""
        first = _ATTACK_AFTER_SHARE * self._seconds if self._seconds is not None else _ATTACK_EVERY_SECONDS
        await asyncio.sleep(_LIVE_ENROLMENT_AFTER_SECONDS)
        for role in CAST:
            if not role.enrolled_before:
                version, statement = consent_text(person_model=self._guard.monitor.status().limits.person_models)
                consent = Consent(statement=statement, given_by=role.participant, text_version=version)
                self._guard.monitor.start_enrolment(CALL, role.participant, role.participant, consent)
        await asyncio.sleep(first - _LIVE_ENROLMENT_AFTER_SECONDS)
        for attack in cycle((True, False)):
            for role in CAST:
                if role.impostor is not None:
                    await self._order(role, role.impostor if attack else role.driver)
            # A scene of given length shows one attack, to its end.
            await asyncio.sleep(_ATTACK_EVERY_SECONDS if self._seconds is None else self._seconds)

    async def _order(self, role: Role, driver: int) -> None:
        stdin = self._actors[role.participant].stdin
        assert stdin is not None  # noqa: S101 - it was opened with a pipe
        stdin.write(json.dumps({"driver": driver}).encode() + b"\n")
        await stdin.drain()

    async def _read_actors(self) -> None:
        await asyncio.gather(*(self._read_actor(name) for name in self._actors))

    async def _read_actor(self, participant: str) -> None:
        while answer := await _next_line(self._actors[participant]):
            seconds = float(str(answer["monotonic_seconds"])) - self._start
            self.tracks[participant].swapped(int(str(answer["driver"])), seconds)
        raise SourceError(f"the demo's {participant} has left before the end of the scene; see the message above")

    async def _read_events(self) -> None:
        with Feed(self._guard.hub, CALL, 0) as feed:
            while True:
                event = (await feed.next()).event
                if event.participant in self.tracks:
                    self.tracks[event.participant].take(event, time.monotonic() - self._start)

    async def _draw(self, console: Console) -> None:
        with Live(console=console, auto_refresh=False) as live:
            while True:
                live.update(draw(self.tracks.values(), time.monotonic() - self._start), refresh=True)
                await asyncio.sleep(_TABLE_SECONDS)


@asynccontextmanager
async def _actors(guard: RunningGuard) -> AsyncIterator[Actors]:
    """The puppets' processes, once all of them have joined."""
    async with AsyncExitStack() as stack:
        names = [role.participant for role in CAST]
        processes = [await stack.enter_async_context(_actor(guard, name)) for name in names]
        for process in processes:
            async with asyncio.timeout(_START_SECONDS):
                message = await _next_line(process)
            if "joined" not in message:
                raise SourceError("the demo's puppets could not join the call; see their message above")
        yield dict(zip(names, processes, strict=True))


@asynccontextmanager
async def _actor(guard: RunningGuard, participant: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """One puppet's process, which ends with the context."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "demo.actors",
        participant,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, **_ONE_THREAD},
    )
    try:
        assert process.stdin is not None  # noqa: S101 - it was opened with a pipe
        process.stdin.write(json.dumps({"url": guard.server.url, "token": guard.join_token}).encode() + b"\n")
        yield process
    finally:
        if process.stdin is not None:
            process.stdin.close()
        try:
            async with asyncio.timeout(10):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


async def _next_line(process: asyncio.subprocess.Process) -> dict[str, object]:
    """The actors' next message; empty at their end."""
    assert process.stdout is not None  # noqa: S101 - it was opened with a pipe
    line = await process.stdout.readline()
    message: dict[str, object] = json.loads(line) if line else {}
    return message


def _config(folder: Path, port: int, model: str | None) -> GuardConfig:
    """The usual settings, but on this machine only and with a template store that goes with the scene."""
    config = load_config(None, {"engine": {"model": model}} if model is not None else None)
    return config.model_copy(
        update={
            "server": ServerConfig(port=port, thumbnails=True, token=config.server.token),
            "calls": CallsConfig(loopback=True),
            "store": StoreConfig(path=folder / "templates.sqlite3"),
        }
    )


def _enrol_recordings(config: GuardConfig, folder: Path) -> None:
    seconds = config.verify.enrolment_seconds + _ENROLMENT_MARGIN_SECONDS
    for role in CAST:
        if role.enrolled_before:
            player = make_player(role.face, role.driver, ENROLMENT_TAKE, PICTURE_SIZE)
            path = record(player, seconds, FPS, folder / f"{role.participant}.webm")
            try:
                enroll_files(config, role.participant, [path], role.participant, as_json=False)
            except EnrolmentError as error:
                raise GuardError(f"the demo's recording of {role.participant} was refused: {error}") from error
