"""Whoever looks at the dashboard sees that the engine has lost its device, without touching the page."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.async_api import expect

from engines.fallback import Backend, FallbackEngine
from guard import server
from guard.config import CallsConfig, GuardConfig, ServerConfig, StoreConfig
from guard.media.front_end import FaceFrontEnd
from guard.server import running_guard
from tests.e2e.conftest import ChromiumWithCamera
from tests.engines.dying_engine import LOST, DyingEngine
from tests.guard.conftest import ALICE, BrightFaceDetector, BrightnessEngine, gray_frame

pytestmark = pytest.mark.browser

PAGE_TIMEOUT_MS = 20_000


def front_end_factory(_config: object) -> Callable[[], FaceFrontEnd]:
    return lambda: FaceFrontEnd(BrightFaceDetector())


async def test_the_dashboard_tells_that_another_backend_took_over(
    tmp_path: Path, chromium_with_camera: ChromiumWithCamera, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = DyingEngine(BrightnessEngine())
    engine = FallbackEngine([Backend("dying", lambda: device), Backend("test", BrightnessEngine)])
    monkeypatch.setattr(server, "make_engine", lambda _config: engine)
    monkeypatch.setattr(server, "front_end_factory", front_end_factory)
    config = GuardConfig(
        server=ServerConfig(port=0),
        calls=CallsConfig(loopback=True, isolation="none"),
        store=StoreConfig(path=tmp_path / "templates.sqlite3"),
    )
    async with running_guard(config) as guard, chromium_with_camera(tmp_path / "no-camera.y4m") as browser:
        page = await browser.new_page()
        await page.goto(f"{guard.server.url}/?call=main#token={guard.token}")
        footer = page.get_by_test_id("engine")
        await expect(footer).to_contain_text("dying · fp16 · a device", timeout=PAGE_TIMEOUT_MS)
        await expect(footer).not_to_contain_text("not accelerated")
        frames = guard.monitor.participant_joined("main", "alice")
        await expect(page.get_by_test_id("tile-alice")).to_be_visible(timeout=PAGE_TIMEOUT_MS)
        device.die()
        frames.push(gray_frame(ALICE, 0.0, time.monotonic()))
        await expect(footer).to_contain_text("test · fp32 · cpu", timeout=PAGE_TIMEOUT_MS)
        await expect(footer).to_contain_text(f"not accelerated: dying: failed in use ({LOST})")
