"""A browser tab that takes part in a VideoRoom with its camera."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from playwright.async_api import BrowserContext, Page, Route

_SCRIPT = Path(__file__).with_name("janus_camera.js")
# Nothing listens there; a page needs a secure origin for its camera, and localhost is one.
_PAGE_URL = "http://localhost/participant"


@asynccontextmanager
async def camera_page(
    browser: BrowserContext, url: str, room: int, display: str, **options: Any
) -> AsyncIterator[Page]:
    """Publish in `room` under `display` while the context lasts; `options` are those of janus_camera.js."""

    async def empty_page(route: Route) -> None:
        await route.fulfill(body="<!doctype html>", content_type="text/html")

    page = await browser.new_page()
    try:
        await page.route(_PAGE_URL, empty_page)
        await page.goto(_PAGE_URL)
        await page.add_script_tag(path=_SCRIPT)
        await page.evaluate("publish", {"url": url, "room": room, "display": display, **options})
        yield page
        await page.evaluate("leave()")
    finally:
        await page.close()
