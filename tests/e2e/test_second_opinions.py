"""The panel of second opinions in a real browser: by keyboard, in words, with the pictures that the guard serves."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import expect
from pydantic import SecretStr

from guard.config import ServerConfig
from guard.serve.app import create_app
from guard.serve.hub import EventHub
from guard.serve.run import serve
from tests.e2e.conftest import ChromiumWithCamera
from tests.engines.witnesses.made_witness import small_picture
from tests.guard.serve.scripted_guard import TOKEN, ScriptedGuard, witnesses

pytestmark = pytest.mark.browser

PAGE_TIMEOUT_MS = 20_000


async def test_whoever_looks_reads_what_each_witness_says(
    tmp_path: Path, chromium_with_camera: ChromiumWithCamera
) -> None:
    service = ScriptedGuard(pictures={("facial_codes", "7.png"): small_picture(90)})
    config = ServerConfig(port=0, token=SecretStr(TOKEN))
    hub = EventHub(100, 100)
    complaints: list[str] = []
    async with (
        serve(create_app(service, hub, config), config) as server,
        chromium_with_camera(tmp_path / "no-camera.y4m") as browser,
    ):
        page = await browser.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        await page.goto(f"{server.url}/?call=main#token={TOKEN}")
        tile, panel = page.get_by_test_id("tile-alice"), page.get_by_test_id("opinions-alice")
        await expect(tile).to_be_visible(timeout=PAGE_TIMEOUT_MS)
        await expect(panel).to_have_count(0)
        hub.publish("main", "alice", witnesses())
        await expect(panel).to_be_visible()
        await expect(panel.get_by_test_id("opinion-f5c")).to_be_hidden()
        await panel.locator("summary").focus()
        await page.keyboard.press("Enter")
        await expect(panel.get_by_test_id("opinion-f5c")).to_contain_text("+1.2for the enrolled driver")
        await expect(panel.get_by_test_id("opinion-facial_codes")).to_contain_text("no face tracked for 3 s")
        await expect(panel).to_contain_text("left brow rises: more often than when enrolled")
        await expect(panel).to_contain_text("These are clues, not proof")
        picture = panel.locator("img.movement-picture")
        await expect(picture).to_be_visible(timeout=PAGE_TIMEOUT_MS)
        assert await picture.evaluate("image => image.naturalWidth") == 8
        hub.publish("main", "alice", {**witnesses(), "fused_llr": None, "fused_seconds": None, "movements": []})
        await expect(panel).to_contain_text("facial motion decides alone")
        await expect(panel.get_by_test_id("opinion-f5c")).to_be_visible()  # It stays open.
    assert complaints == []
