"""A real Chromium with a clip as its camera, kept off the network."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from playwright.async_api import BrowserContext

from guard.bench.chromium import chromium_filming, why_no_chromium
from tests.e2e import janus_room, network_namespace
from tests.e2e.janus_room import Janus

ChromiumWithCamera = Callable[[Path], AbstractAsyncContextManager[BrowserContext]]


@pytest.fixture
def chromium_with_camera() -> ChromiumWithCamera:
    """Starts a browser whose camera plays the given .mjpeg or .y4m clip in a loop."""
    if reason := why_no_chromium():
        pytest.skip(reason)
    return chromium_filming


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
