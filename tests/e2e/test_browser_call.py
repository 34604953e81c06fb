"""The main job on a real browser: a tab publishes a talking head, the dashboard shows who drives, a swap alerts."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import chain, islice, pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.async_api import Page, expect
from websockets.asyncio.client import connect

from demo.puppet_frames import make_player
from demo.recording import record
from engines.pixels import luma_plane
from engines.protocol import StepResult
from guard import server
from guard.bench.barcode import read_number
from guard.bench.chromium import write_camera_clip
from guard.calls.source import LatestFrames, ReceivedFrame
from guard.config import CallsConfig, GuardConfig, ServerConfig, StoreConfig
from guard.offline import enroll_files
from guard.server import RunningGuard, running_guard
from guard.verify.store import TemplateStore
from guard.verify.template import CONSENT_STATEMENT, CONSENT_TEXT_VERSION, ConsentRecord, Template
from tests.e2e.camera_clips import FPS, Picture, real_pictures
from tests.e2e.conftest import ChromiumWithCamera
from tests.guard.conftest import ALICE as ALICE_LEVEL
from tests.guard.conftest import MALLORY as MALLORY_LEVEL
from tests.guard.conftest import BrightnessEngine, driver_embedding

pytestmark = pytest.mark.browser

FACE, ALICE, MALLORY = 1, 9, 81
LIGHT_OVER_DARK = 90
ENOUGH_FRAMES = 5 * FPS
TILE_TIMEOUT_MS, SCORE_TIMEOUT_MS, ALERT_TIMEOUT_MS = 20_000, 40_000, 75_000
VERDICT_TIMEOUT_MS, LIT_ALERT_TIMEOUT_MS = 40_000, 60_000


@pytest.fixture
def frame_numbers(monkeypatch: pytest.MonkeyPatch) -> list[int | None]:
    """The number in every frame that the guard decodes, in the order of arrival."""
    numbers: list[int | None] = []
    push = LatestFrames.push

    def reading_push(self: LatestFrames, frame: ReceivedFrame) -> None:
        numbers.append(read_number(luma_plane(frame.image).pixels))
        push(self, frame)

    monkeypatch.setattr(LatestFrames, "push", reading_push)
    return numbers


@pytest.fixture
def config(tmp_path: Path) -> GuardConfig:
    return GuardConfig(
        server=ServerConfig(port=0, thumbnails=True),
        calls=CallsConfig(loopback=True, isolation="none"),  # the numbers are read in this process
        store=StoreConfig(path=tmp_path / "templates.sqlite3"),
    )


async def test_another_driver_behind_the_same_face_raises_the_alert(
    tmp_path: Path, config: GuardConfig, chromium_with_camera: ChromiumWithCamera, frame_numbers: list[int | None]
) -> None:
    recording = record(make_player(FACE, ALICE, take=0), 26, FPS, tmp_path / "alice.webm")
    own = islice(make_player(FACE, ALICE, take=10), 20 * FPS)
    strange = islice(make_player(FACE, MALLORY, take=10), 60 * FPS)
    clip = write_camera_clip(chain(own, strange), tmp_path / "camera.mjpeg")
    await check_swap(config, recording, clip, chromium_with_camera, frame_numbers, first_strange=20 * FPS)
    check_numbers(frame_numbers, clip_frames=80 * FPS)


@pytest.mark.shared_data
async def test_another_person_before_the_camera_raises_the_alert(
    tmp_path: Path,
    shared_data: Path,
    config: GuardConfig,
    chromium_with_camera: ChromiumWithCamera,
    frame_numbers: list[int | None],
) -> None:
    people = shared_data / "faces" / "liveportrait"
    enrolled = people / "liveportrait_13" / "c00.mp4"
    # One after the other, since a clip that repeats is abstained from.
    strangers = [people / f"liveportrait_{number}" / "c00.mp4" for number in ("05", "06", "11", "16")]
    recording = record(real_pictures(enrolled), 23, FPS, tmp_path / "alice.webm")
    own = list(real_pictures(enrolled, start_seconds=23))
    pictures = [*own, *chain.from_iterable(map(real_pictures, strangers))]
    clip = write_camera_clip(pictures, tmp_path / "camera.mjpeg")
    await check_swap(config, recording, clip, chromium_with_camera, frame_numbers, first_strange=len(own))
    check_numbers(frame_numbers, clip_frames=len(pictures))


async def test_a_verified_driver_turns_into_a_mismatch_on_the_dashboard(
    tmp_path: Path,
    config: GuardConfig,
    chromium_with_camera: ChromiumWithCamera,
    frame_numbers: list[int | None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Everything is real but the engine, which reads the driver off the brightness and so is sure enough to verify."""
    engine = LightEngine()
    monkeypatch.setattr(server, "make_engine", lambda _config: engine)
    clip = write_camera_clip(chain(lit(1.0, take=1), lit(0.5, take=2)), tmp_path / "camera.mjpeg")
    consent = ConsentRecord(CONSENT_TEXT_VERSION, CONSENT_STATEMENT, "alice", datetime.now(UTC))
    windows = np.stack([driver_embedding(ALICE_LEVEL)] * 4)
    TemplateStore(config.store).put(Template("alice", windows, engine.spec.model_sha256, datetime.now(UTC), consent))
    async with running_guard(config) as guard, chromium_with_camera(clip) as browser:
        dashboard = await open_call(guard, await browser.new_page(), await browser.new_page())
        state = dashboard.get_by_test_id("state-alice")
        await expect(state).to_have_attribute("data-state", "verified", timeout=VERDICT_TIMEOUT_MS)
        await expect(dashboard.get_by_test_id("alert-item").first).to_be_visible(timeout=LIT_ALERT_TIMEOUT_MS)
        await expect(state).to_have_attribute("data-state", "mismatch")
    check_numbers(frame_numbers, clip_frames=40 * FPS)


class LightEngine(BrightnessEngine):
    """Takes whoever sits in the light for Alice, and whoever sits in the dark for Mallory."""

    def step(self, slots: NDArray[np.int32], frames: NDArray[np.uint8], continues: NDArray[np.bool_]) -> StepResult:
        levels = [ALICE_LEVEL if frame.mean() > LIGHT_OVER_DARK else MALLORY_LEVEL for frame in frames]
        return super().step(slots, np.stack([np.full_like(frames[0], level) for level in levels]), continues)


def lit(share: float, take: int) -> Iterator[Picture]:
    """Twenty seconds of a puppet in more or less light; never the same twice, which would be a replay."""
    player = make_player(FACE, ALICE, take)
    return ((picture * share).astype(np.uint8) for picture in islice(player, 20 * FPS))


async def check_swap(
    config: GuardConfig,
    recording: Path,
    clip: Path,
    chromium_with_camera: ChromiumWithCamera,
    frame_numbers: list[int | None],
    first_strange: int,
) -> None:
    """Enrol from the recording with the shipped engine, join with the clip, and see the verdict turn everywhere."""
    await asyncio.to_thread(enroll_files, config, "alice", [recording], "alice", as_json=False)
    frame_numbers.clear()  # Those of the recording, which has none.
    async with running_guard(config) as guard, chromium_with_camera(clip) as browser:
        dashboard = await open_call(guard, await browser.new_page(), await browser.new_page())
        await expect(dashboard.get_by_test_id("score-alice")).not_to_have_attribute("data-value", "")
        scores = await scores_on_the_socket(guard)
        state = dashboard.get_by_test_id("state-alice")
        await expect(state).to_have_attribute("data-state", "mismatch", timeout=ALERT_TIMEOUT_MS)
        at_alert = frame_numbers[-1]
        # A loaded machine may raise another alert before: that it abstains.
        alert = dashboard.get_by_test_id("alert-item").filter(has_text="does not match")
        await expect(alert.first).to_be_visible()
    assert all(-20 < float(str(score["llr"])) < 20 for score in scores)
    assert {score["state"] for score in scores} <= {"warming", "verified", "uncertain"}
    assert at_alert is not None
    assert at_alert > first_strange, "the alert came while the enrolled driver was still there"


async def open_call(guard: RunningGuard, dashboard: Page, publisher: Page) -> Page:
    """Publish the camera as alice through the join page, and show the call on the dashboard."""
    await publisher.goto(f"{guard.server.url}/join?call=main&name=alice&autojoin=1#token={guard.join_token}")
    await expect(publisher.get_by_test_id("join-state")).to_have_attribute(
        "data-state", "live", timeout=TILE_TIMEOUT_MS
    )
    await dashboard.goto(f"{guard.server.url}/?call=main#token={guard.token}")
    await expect(dashboard.get_by_test_id("tile-alice")).to_be_visible(timeout=TILE_TIMEOUT_MS)
    return dashboard


async def scores_on_the_socket(guard: RunningGuard) -> list[dict[str, object]]:
    """The next ten scores that hold a log-likelihood ratio."""
    url = f"{guard.server.url.replace('http', 'ws', 1)}/ws/main"
    scores: list[dict[str, object]] = []
    async with (
        connect(url, additional_headers={"Authorization": f"Bearer {guard.token}"}) as viewer,
        asyncio.timeout(SCORE_TIMEOUT_MS / 1000),
    ):
        async for message in viewer:
            event = json.loads(message)
            if event["type"] == "score" and event["llr"] is not None:
                scores.append(event)
            if len(scores) == 10:
                break
    return scores


def check_numbers(numbers: list[int | None], clip_frames: int) -> None:
    assert len(numbers) > ENOUGH_FRAMES
    assert None not in numbers, f"{numbers.count(None)} of {len(numbers)} frame numbers could not be read"
    steps = [(later - earlier) % clip_frames for earlier, later in pairwise(numbers)]  # type: ignore[operator]
    # The camera may repeat or skip a picture when the machine is busy; nothing may come out of order.
    assert max(steps) < FPS, f"the largest step between frames is {max(steps)}"
