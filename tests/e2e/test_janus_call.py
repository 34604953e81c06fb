"""People in Chromium meet in a Janus room; the guard joins, scores them, and comes back after Janus has died."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from websockets.asyncio.client import connect

from demo.puppet_frames import make_player
from engines.protocol import StepResult
from guard import server
from guard.bench.chromium import write_camera_clip
from guard.calls.call_source import CallSource, SourceState, SourceStats
from guard.calls.source_registry import make_source
from guard.config import CallsConfig, GuardConfig, ServerConfig, SourceConfig, StoreConfig
from guard.server import RunningGuard, running_guard
from guard.verify.store import TemplateStore
from guard.verify.template import CONSENT_STATEMENT, CONSENT_TEXT_VERSION, ConsentRecord, Template
from tests.e2e.camera_clips import FPS
from tests.e2e.conftest import ChromiumWithCamera
from tests.e2e.janus_camera import camera_page
from tests.e2e.janus_room import ANY_CODEC_ROOM, OPEN_ROOM, Janus
from tests.guard.conftest import ALICE, BrightnessEngine, driver_embedding
from tests.whip_endpoint import Recorder, until

pytestmark = pytest.mark.browser

FACE, DRIVER = 1, 9
CLIP_SECONDS = 3
PEOPLE = ("alice", "bob", "carol")
ENOUGH_SCORES, ENOUGH_FRAMES = 5, 30
PATIENCE_SECONDS = 60.0


class AnyLightEngine(BrightnessEngine):
    """Takes everybody for Alice: this test is about the way to the engine."""

    def step(self, slots: NDArray[np.int32], frames: NDArray[np.uint8], continues: NDArray[np.bool_]) -> StepResult:
        return super().step(slots, np.full_like(frames, ALICE), continues)


@dataclass
class Viewer:
    """Listens to the guard's events of the call."""

    scores: Counter[str] = field(default_factory=Counter)
    """Scores with a log-likelihood ratio, by participant."""
    moves: list[tuple[str, str]] = field(default_factory=list)
    """Who joined and left, in order."""

    async def scored(self, *participants: str) -> None:
        """Wait for new scores of all of these."""
        before = {name: self.scores[name] for name in participants}
        await until(lambda: all(self.scores[n] >= before[n] + ENOUGH_SCORES for n in participants), PATIENCE_SECONDS)

    async def moved(self, participant: str, action: str, times: int = 1) -> None:
        await until(lambda: self.moves.count((participant, action)) >= times, PATIENCE_SECONDS)

    async def listen(self, guard: RunningGuard) -> None:
        url = f"{guard.server.url.replace('http', 'ws', 1)}/ws/main"
        async with connect(url, additional_headers={"Authorization": f"Bearer {guard.token}"}) as socket:
            async for message in socket:
                event = json.loads(message)
                if event["type"] == "score" and event["llr"] is not None:
                    self.scores[event["participant"]] += 1
                if event["type"] == "participant" and event["action"] in ("joined", "left"):
                    self.moves.append((event["participant"], event["action"]))


@asynccontextmanager
async def watching(guard: RunningGuard) -> AsyncIterator[Viewer]:
    viewer = Viewer()
    listening = asyncio.create_task(viewer.listen(guard))
    try:
        yield viewer
    finally:
        listening.cancel()
        await asyncio.wait({listening})


@asynccontextmanager
async def connected(source: CallSource) -> AsyncIterator[CallSource]:
    await source.connect()
    try:
        yield source
    finally:
        await source.close()


@pytest.fixture
def config(tmp_path: Path) -> GuardConfig:
    config = GuardConfig(server=ServerConfig(port=0), store=StoreConfig(path=tmp_path / "templates.sqlite3"))
    store = TemplateStore(config.store)
    consent = ConsentRecord(CONSENT_TEXT_VERSION, CONSENT_STATEMENT, "everybody", datetime.now(UTC))
    windows = np.stack([driver_embedding(ALICE)] * 4)
    for name in PEOPLE:
        store.put(Template(name, windows, BrightnessEngine().spec.model_sha256, datetime.now(UTC), consent))
    return config


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_camera_clip(islice(make_player(FACE, DRIVER, take=1), CLIP_SECONDS * FPS), tmp_path / "camera.mjpeg")


async def test_the_guard_follows_a_call_through_comings_goings_and_a_restart(
    janus: Janus,
    config: GuardConfig,
    clip: Path,
    chromium_with_camera: ChromiumWithCamera,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(server, "make_engine", lambda _config: AnyLightEngine())
    changes: list[SourceStats] = []
    room = SourceConfig(url=f"{janus.url.replace('ws', 'janus+ws', 1)}/{OPEN_ROOM}")
    async with running_guard(config) as guard, watching(guard) as viewer, chromium_with_camera(clip) as browser:
        isolated = guard.workers.peer if guard.workers is not None else None
        assert isolated is not None
        async with (
            connected(make_source(room, config.calls, guard.monitor, changes.append, isolated)) as source,
            camera_page(browser, janus.url, OPEN_ROOM, "alice") as alice,
        ):
            async with camera_page(browser, janus.url, OPEN_ROOM, "bob"):
                await viewer.scored("alice", "bob")
            await viewer.moved("bob", "left")
            async with camera_page(browser, janus.url, OPEN_ROOM, "carol"):
                await viewer.scored("alice", "carol")
                assert [stats.why for stats in changes] == [None, None], "one visit so far"
                assert viewer.moves == [
                    ("alice", "joined"),
                    ("bob", "joined"),
                    ("bob", "left"),
                    ("carol", "joined"),
                ]
                await asyncio.to_thread(janus.kill)
                await viewer.moved("alice", "left")
                await viewer.moved("carol", "left")
                await asyncio.to_thread(janus.start)
                await until(lambda: source.stats().state is SourceState.JOINED, PATIENCE_SECONDS)
                await alice.evaluate("publish", {"url": janus.url, "room": OPEN_ROOM, "display": "alice"})
                async with camera_page(browser, janus.url, OPEN_ROOM, "bob"):
                    await viewer.scored("alice", "bob")
            assert source.stats().joins == 2
        assert source.stats().state is SourceState.CLOSED
    assert SourceState.WAITING in [stats.state for stats in changes]


async def test_a_hidden_guard_is_not_blinded_by_what_it_cannot_decode(
    janus: Janus, clip: Path, chromium_with_camera: ChromiumWithCamera
) -> None:
    """One publishes VP9, sound and data, which a hidden guard gets offered unasked; the other VP8 in two layers."""
    listener = Recorder()
    changes: list[SourceStats] = []
    room = SourceConfig(url=f"{janus.url.replace('ws', 'janus+ws', 1)}/{ANY_CODEC_ROOM}?hidden=1", call="standup")
    everything = {"codec": "VP9", "audio": True, "data": True}
    async with (
        chromium_with_camera(clip) as browser,
        camera_page(browser, janus.url, ANY_CODEC_ROOM, "vp9", **everything),
        camera_page(browser, janus.url, ANY_CODEC_ROOM, "alice", simulcast=True, audio=True),
        connected(make_source(room, CallsConfig(), listener, changes.append)),
    ):
        await until(lambda: listener.received("alice") > ENOUGH_FRAMES, PATIENCE_SECONDS)
        async with camera_page(browser, janus.url, ANY_CODEC_ROOM, "bob"):
            await until(lambda: listener.received("bob") > ENOUGH_FRAMES, PATIENCE_SECONDS)
        assert sorted({participant for _, participant in listener.queues}) == ["alice", "bob"]
        assert listener.of("alice") == ["joined"]
        assert [(stats.state, stats.why) for stats in changes] == [
            (SourceState.JOINING, None),
            (SourceState.JOINED, None),
        ]
