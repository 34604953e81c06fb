"""A real Chromium with a clip as its camera, kept off the network."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import BrowserContext, async_playwright

from guard.bench.chromium import FLAGS
from tests.e2e import janus_room, network_namespace
from tests.e2e.janus_room import Janus

ChromiumWithCamera = Callable[[Path], AbstractAsyncContextManager[BrowserContext]]


@pytest.fixture
def chromium_with_camera(tmp_path: Path) -> ChromiumWithCamera:
    """Starts a browser whose camera plays the given .mjpeg or .y4m clip in a loop."""
    executable = shutil.which("chromium")
    if executable is None:
        pytest.skip("no Chromium on this machine; .ci/run installs it")

    @asynccontextmanager
    async def start(clip: Path) -> AsyncIterator[BrowserContext]:
        profile = tmp_path / f"profile-{clip.stem}"
        async with async_playwright() as playwright:
            context = await playwright.chromium.launch_persistent_context(
                profile,
                executable_path=executable,
                headless=True,
                args=[*FLAGS, f"--use-file-for-fake-video-capture={clip}"],
                permissions=["camera"],
            )
            try:
                yield context
            finally:
                await context.close()
        shutil.rmtree(profile, ignore_errors=True)

    return start


@pytest.fixture
def janus(tmp_path: Path) -> Iterator[Janus]:
    """A running Janus; the whole test takes place in a network namespace of its own."""
    if reason := network_namespace.why_unavailable() or janus_room.why_unavailable():
        pytest.skip(reason)
    with network_namespace.network_namespace():
        server = Janus(tmp_path / "janus")
        server.start()
        try:
            yield server
        finally:
            server.stop()
