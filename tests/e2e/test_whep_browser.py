"""WHEP against another WebRTC stack: a Chromium page answers the guard's offers behind a small HTTP server."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from playwright.async_api import Page
from pydantic import SecretStr

from guard import server as server_module
from guard.bench.chromium import write_camera_clip
from guard.calls.source import LatestFrames, ReceivedFrame
from guard.config import CallsConfig, GuardConfig, ServerConfig, SourceConfig, StoreConfig
from guard.server import RunningGuard, running_guard
from guard.verify.store import TemplateStore
from guard.verify.template import CONSENT_STATEMENT, CONSENT_TEXT_VERSION, ConsentRecord, Template
from tests.e2e.camera_clips import FPS
from tests.e2e.conftest import ChromiumWithCamera
from tests.e2e.test_browser_call import LightEngine, lit
from tests.guard.conftest import ALICE, driver_embedding
from tests.whep_server import TOKEN, whep_server
from tests.whip_endpoint import number_of, until

pytestmark = pytest.mark.browser

VERDICT_SECONDS, RETURN_SECONDS = 90, 60

# Complete candidates with the answer; the camera is opened once and its track cloned for every viewer.
ANSWER_OFFERS = """
async (offer) => {
  window.camera ??= await navigator.mediaDevices.getUserMedia(
    { video: { width: { exact: 640 }, height: { exact: 360 }, frameRate: 30 } });
  const connection = new RTCPeerConnection();
  (window.connections ??= []).push(connection);
  connection.addTrack(window.camera.getVideoTracks()[0].clone());
  await connection.setRemoteDescription({ type: "offer", sdp: offer });
  await connection.setLocalDescription();
  await new Promise((done) => {
    const look = () => connection.iceGatheringState === "complete" && done();
    connection.addEventListener("icegatheringstatechange", look);
    setTimeout(done, 2000);
    look();
  });
  return connection.localDescription.sdp;
}
"""
HANG_UP = "() => window.connections.splice(0).forEach((connection) => connection.close())"
PAGE = "<!doctype html><title>WHEP</title>"


async def open_page(page: Page, url: str) -> None:
    """Any page of a secure origin (loopback counts as one), so that it may open the camera."""
    await page.route("**/page", lambda route: route.fulfill(body=PAGE, content_type="text/html"))
    await page.goto(url.removeprefix("whep+").replace("/whep/ann", "/page"))


@pytest.mark.parametrize("isolation", ["none", "process"])
async def test_a_browsers_driver_is_verified_and_comes_back_after_it_hung_up(
    tmp_path: Path, chromium_with_camera: ChromiumWithCamera, monkeypatch: pytest.MonkeyPatch, isolation: str
) -> None:
    """Everything is real but the engine, which reads the driver off the brightness."""
    engine = LightEngine()
    monkeypatch.setattr(server_module, "make_engine", lambda _config: engine)
    numbers = read_every_frame(monkeypatch)
    clip = write_camera_clip(lit(1.0, 0), tmp_path / "camera.mjpeg")
    store = StoreConfig(path=tmp_path / "templates.sqlite3")
    consent = ConsentRecord(CONSENT_TEXT_VERSION, CONSENT_STATEMENT, "alice", datetime.now(UTC))
    windows = np.stack([driver_embedding(ALICE)] * 4)
    TemplateStore(store).put(Template("alice", windows, engine.spec.model_sha256, datetime.now(UTC), consent))
    async with chromium_with_camera(clip) as browser:
        page = await browser.new_page()

        async def answer(offer_sdp: str) -> str:
            return str(await page.evaluate(ANSWER_OFFERS, offer_sdp))

        async with whep_server(answer) as server:
            await open_page(page, server.url)
            source = SourceConfig(url=server.url, call="standup", name="alice", token=SecretStr(TOKEN))
            calls = CallsConfig(loopback=True, sources=(source,), isolation=isolation)
            config = GuardConfig(server=ServerConfig(port=0), calls=calls, store=store)
            async with running_guard(config) as guard:
                await until(lambda: states(guard) == ["verified"], VERDICT_SECONDS)
                if isolation == "none":  # elsewhere nobody sees the pictures
                    await until(lambda: len(numbers) > FPS)
                    assert None not in numbers
                await page.evaluate(HANG_UP)
                await until(lambda: guard.sources[0].stats().joins == 2, RETURN_SECONDS)
                await until(lambda: states(guard) == ["verified"], VERDICT_SECONDS)
            assert server.deletes == [f"Bearer {TOKEN}"] * 2


def states(guard: RunningGuard) -> list[str]:
    return [participant.state.value for participant in guard.monitor.participants("standup")]


def read_every_frame(monkeypatch: pytest.MonkeyPatch) -> list[int | None]:
    """The number in every frame that the guard decodes, in the order of arrival."""
    numbers: list[int | None] = []
    push = LatestFrames.push

    def reading_push(self: LatestFrames, frame: ReceivedFrame) -> None:
        numbers.append(number_of(frame))
        push(self, frame)

    monkeypatch.setattr(LatestFrames, "push", reading_push)
    return numbers
