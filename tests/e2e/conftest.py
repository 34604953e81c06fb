"""A real Chromium with a clip as its camera, kept off the network."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import BrowserContext, async_playwright

from tests.e2e import janus_room, network_namespace
from tests.e2e.janus_room import Janus

FLAGS = (
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--allow-loopback-in-peer-connection",
    # A page that no server sent (tests/e2e/janus_camera.py) may not open a WebSocket to loopback otherwise.
    "--disable-features=WebRtcHideLocalIpsWithMdns,OptimizationHints,MediaRouter,Translate,AutofillServerCommunication,"
    "LocalNetworkAccessChecks,LocalNetworkAccessChecksWebSockets",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-default-apps",
    "--disable-domain-reliability",
    "--metrics-recording-only",
    "--no-pings",
    "--mute-audio",
    "--autoplay-policy=no-user-gesture-required",
    "--disable-background-timer-throttling",
    "--disable-renderer-backgrounding",
    "--disable-backgrounding-occluded-windows",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1 , EXCLUDE localhost",
)

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
