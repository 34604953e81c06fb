"""A call that goes on in another tab of the operator's browser, tapped by drawing frames on it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import BrowserContext, Locator, Page, Route, expect

from demo.puppet_frames import make_player
from demo.recording import record
from guard.bench.chromium import chromium, why_no_chromium
from guard.calls.source import ReceivedFrame
from guard.config import CallsConfig, GuardConfig, ServerConfig, StoreConfig
from guard.seat import Seat
from guard.seat_key import SeatKey
from guard.server import RunningGuard, running_guard
from tests.whip_endpoint import until

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(why_no_chromium() is not None, reason=str(why_no_chromium())),
]

CALL_URL = "http://localhost/call"
PAGE = Path(__file__).with_name("call_page.html")
SECONDS = 60.0
LIVE_MS = 20_000
LIGHT = 200
"""Grey level: the wall is above it, the puppet's picture below."""


@asynccontextmanager
async def browser_in_a_call(clip: Path) -> AsyncIterator[tuple[BrowserContext, Page]]:
    """A browser with the call in a tab, which it shares when it is asked for a tab."""

    async def serve(route: Route) -> None:
        await route.fulfill(path=clip if route.request.url.endswith(".webm") else PAGE)

    async with chromium("--auto-select-tab-capture-source-by-title=The call") as browser:
        call = await browser.new_page()
        await call.set_viewport_size({"width": 1280, "height": 720})
        await call.route("http://localhost/**", serve)
        await call.goto(CALL_URL)
        yield browser, call


async def draw(page: Page, picture: Locator, left: float, top: float, right: float, bottom: float) -> None:
    """Draw a frame with the mouse; corners in parts of the picture."""
    box = await picture.bounding_box()
    assert box is not None
    await page.mouse.move(box["x"] + left * box["width"], box["y"] + top * box["height"])
    await page.mouse.down()
    await page.mouse.move(box["x"] + right * box["width"], box["y"] + bottom * box["height"], steps=3)
    await page.mouse.up()


async def watch(page: Page, number: int, name: str) -> None:
    await page.get_by_test_id(f"tap-name-{number}").fill(name)
    await page.get_by_test_id(f"tap-watch-{number}").click()
    await expect(page.get_by_test_id(f"tap-state-{number}")).to_have_attribute("data-state", "live", timeout=LIVE_MS)


def seat(guard: RunningGuard, name: str) -> Seat | None:
    return guard.monitor.pipeline.seats.get(SeatKey("main", name))


def received(guard: RunningGuard, name: str) -> int:
    found = seat(guard, name)
    return 0 if found is None else found.frames.received


def light(guard: RunningGuard, name: str) -> float:
    """Mean grey level of the newest picture."""
    found = seat(guard, name)
    assert found is not None
    assert isinstance(found.last_received, ReceivedFrame)
    return float(found.last_received.image.to_ndarray(format="gray").mean())


async def test_who_is_framed_is_watched_under_their_name_and_in_the_background(tmp_path: Path) -> None:
    config = GuardConfig(
        server=ServerConfig(port=0),
        calls=CallsConfig(loopback=True, isolation="none"),  # the pictures are looked at in this process
        store=StoreConfig(path=tmp_path / "templates.sqlite3"),
    )
    clip = record(make_player(1, 9, 0), 10, 30, tmp_path / "talking.webm")
    async with running_guard(config) as guard, browser_in_a_call(clip) as (browser, call):
        tap = await browser.new_page()
        await tap.set_viewport_size({"width": 1280, "height": 900})
        await tap.goto(f"{guard.server.url}/tap?call=main#token={guard.join_token}")
        await tap.get_by_test_id("tap-share").click()
        picture = tap.get_by_test_id("tap-picture")
        await expect(picture).to_be_visible()
        await expect(picture.locator("video")).to_have_js_property("videoWidth", 1280)
        await draw(tap, picture, 0.0, 0.0, 0.49, 0.49)
        await draw(tap, picture, 0.98, 0.45, 0.52, 0.02)
        await watch(tap, 1, "ann")
        await watch(tap, 2, "wall")
        await call.bring_to_front()
        for name in ("ann", "wall"):
            so_far = received(guard, name)
            await until(lambda name=name, so_far=so_far: received(guard, name) >= so_far + 60, SECONDS)  # type: ignore[misc]
        assert light(guard, "wall") > LIGHT > light(guard, "ann")
        ann, wall = seat(guard, "ann"), seat(guard, "wall")
        assert ann is not None
        assert ann.last_face is not None, "the puppet's face was found in its frame"
        assert wall is not None
        assert wall.last_face is None
        await tap.get_by_test_id("tap-watch-2").click()
        await until(lambda: seat(guard, "wall") is None, SECONDS)
        await call.close()
        await until(lambda: not guard.monitor.pipeline.seats, SECONDS)
        await expect(tap.get_by_test_id("tap-problem")).to_contain_text("sharing has ended")


async def test_a_name_that_is_taken_says_so_on_its_row(tmp_path: Path) -> None:
    config = GuardConfig(
        server=ServerConfig(port=0),
        calls=CallsConfig(loopback=True),
        store=StoreConfig(path=tmp_path / "templates.sqlite3"),
    )
    clip = record(make_player(1, 9, 0), 3, 30, tmp_path / "talking.webm")
    async with running_guard(config) as guard, browser_in_a_call(clip) as (browser, _):
        tap = await browser.new_page()
        await tap.goto(f"{guard.server.url}/tap?call=main#token={guard.join_token}")
        await tap.get_by_test_id("tap-share").click()
        await tap.get_by_test_id("tap-whole").click()
        await watch(tap, 1, "ann")
        await tap.get_by_test_id("tap-whole").click()
        await tap.get_by_test_id("tap-name-2").fill("ann")
        await tap.get_by_test_id("tap-watch-2").click()
        state = tap.get_by_test_id("tap-state-2")
        await expect(state).to_have_attribute("data-state", "failed", timeout=LIVE_MS)
        await expect(tap.get_by_text("choose another name")).to_be_visible()
        await expect(tap.get_by_test_id("tap-state-1")).to_have_attribute("data-state", "live")
