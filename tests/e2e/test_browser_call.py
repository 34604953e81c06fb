"""The main job on a real browser: a tab publishes a talking head, the dashboard shows who drives, a swap alerts."""

from __future__ import annotations

import asyncio
import json
from itertools import chain, islice, pairwise
from pathlib import Path

import pytest
from playwright.async_api import Page, expect
from websockets.asyncio.client import connect

from demo.puppet_frames import make_player
from demo.recording import record
from engines.pixels import luma_plane
from guard.calls.source import LatestFrames, ReceivedFrame
from guard.config import CallsConfig, GuardConfig, ServerConfig, StoreConfig
from guard.offline import enroll_files
from guard.server import RunningGuard, running_guard
from tests.barcode import read_number
from tests.e2e.camera_clips import FPS, real_pictures, write_camera_clip
from tests.e2e.conftest import ChromiumWithCamera

pytestmark = pytest.mark.browser

FACE, ALICE, MALLORY = 41, 41, 42
VERIFY_TIMEOUT_MS, ALERT_TIMEOUT_MS = 40_000, 60_000


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


def guard_config(folder: Path) -> GuardConfig:
    return GuardConfig(
        server=ServerConfig(port=0, thumbnails=True),
        calls=CallsConfig(loopback=True),
        store=StoreConfig(path=folder / "templates.sqlite3"),
    )


async def test_a_swap_of_the_driver_behind_the_same_face_raises_the_alert(
    tmp_path: Path, chromium_with_camera: ChromiumWithCamera, frame_numbers: list[int | None]
) -> None:
    recording = make_player(FACE, ALICE, take=0)
    genuine = islice(make_player(FACE, ALICE, take=1), 14 * FPS)
    impostor = islice(make_player(FACE, MALLORY, take=1), 26 * FPS)
    config = guard_config(tmp_path)
    await asyncio.to_thread(
        enroll_files, config, "alice", [record(recording, 26, FPS, tmp_path / "alice.webm")], "alice", as_json=False
    )
    clip = write_camera_clip(chain(genuine, impostor), tmp_path / "camera.mjpeg")
    await watch_the_swap(config, clip, chromium_with_camera)
    check_numbers(frame_numbers, clip_frames=40 * FPS)


@pytest.mark.shared_data
async def test_a_swap_of_real_people_raises_the_alert(
    tmp_path: Path, shared_data: Path, chromium_with_camera: ChromiumWithCamera, frame_numbers: list[int | None]
) -> None:
    people = shared_data / "faces" / "liveportrait"
    enrolled, stranger = people / "liveportrait_13" / "c00.mp4", people / "liveportrait_05" / "c00.mp4"
    recording = islice(real_pictures(enrolled), 23 * FPS)
    genuine = list(real_pictures(enrolled, start_seconds=23))
    impostor = list(real_pictures(stranger))
    config = guard_config(tmp_path)
    await asyncio.to_thread(
        enroll_files, config, "alice", [record(recording, 26, FPS, tmp_path / "alice.webm")], "alice", as_json=False
    )
    scene = [*genuine, *impostor, *impostor[::-1], *impostor]
    clip = write_camera_clip(scene, tmp_path / "camera.mjpeg")
    await watch_the_swap(config, clip, chromium_with_camera)
    check_numbers(frame_numbers, clip_frames=len(scene))


async def watch_the_swap(config: GuardConfig, clip: Path, chromium_with_camera: ChromiumWithCamera) -> None:
    async with running_guard(config) as guard, chromium_with_camera(clip) as browser:
        dashboard = await browser.new_page()
        await dashboard.goto(guard.dashboard_url)
        publisher = await browser.new_page()
        await publisher.goto(f"{guard.server.url}/join?call=main&name=alice&autojoin=1#token={guard.token}")
        await dashboard.reload()
        await check_dashboard(dashboard)
        scores = await scores_on_the_socket(guard)
        assert any(score["llr"] is not None for score in scores)
        await dashboard.screenshot(path=clip.with_suffix(".png"))
        await publisher.close(run_before_unload=True)


async def check_dashboard(page: Page) -> None:
    await expect(page.get_by_test_id("tile-alice")).to_be_visible(timeout=20_000)
    await expect(page.get_by_test_id("state-alice")).to_have_attribute(
        "data-state", "verified", timeout=VERIFY_TIMEOUT_MS
    )
    await expect(page.get_by_test_id("score-alice")).not_to_have_attribute("data-value", "")
    await expect(page.get_by_test_id("alert-item").first).to_be_visible(timeout=ALERT_TIMEOUT_MS)
    await expect(page.get_by_test_id("state-alice")).to_have_attribute("data-state", "mismatch")


async def scores_on_the_socket(guard: RunningGuard) -> list[dict[str, object]]:
    url = f"{guard.server.url.replace('http', 'ws', 1)}/ws/main?since=0"
    scores: list[dict[str, object]] = []
    async with connect(url, additional_headers={"Authorization": f"Bearer {guard.token}"}) as viewer:
        async with asyncio.timeout(20):
            async for message in viewer:
                event = json.loads(message)
                if event["type"] == "score":
                    scores.append(event)
                if len(scores) == 10:
                    break
    return scores


def check_numbers(numbers: list[int | None], clip_frames: int) -> None:
    assert len(numbers) > 5 * FPS
    assert None not in numbers, f"{numbers.count(None)} of {len(numbers)} frame numbers could not be read"
    steps = [(later - earlier) % clip_frames for earlier, later in pairwise(numbers)]  # type: ignore[operator]
    # The camera may repeat or skip a picture when the machine is busy; nothing may come out of order.
    assert max(steps) < FPS, f"the largest step between frames is {max(steps)}"
