"""Chromium as somebody in a call: a clip for its camera, headless, kept off the network."""

from __future__ import annotations

import importlib.util
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from guard.bench.barcode import write_number

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext

_JPEG_QUALITY = 92

_FLAGS = (
    "--allow-loopback-in-peer-connection",
    # A page that no server sent may not open a WebSocket to loopback otherwise.
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
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1 , EXCLUDE localhost",
)
_FILMING = (
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    # Camera and dashboard are tabs of one browser here, and neither is in front for good.
    "--disable-background-timer-throttling",
    "--disable-renderer-backgrounding",
    "--disable-backgrounding-occluded-windows",
)


def why_no_chromium() -> str | None:
    """What is missing for a browser on this machine; None where nothing is."""
    if importlib.util.find_spec("playwright") is None:
        return "the Python package playwright is not installed: pip install playwright"
    if shutil.which("chromium") is None:
        return "there is no program 'chromium' on this machine; install the package of your system"
    return None


def chromium_filming(clip: Path) -> AbstractAsyncContextManager[BrowserContext]:
    """A browser whose camera plays a .mjpeg or .y4m clip in a loop. Needs playwright."""
    return chromium(*_FILMING, f"--use-file-for-fake-video-capture={clip}")


@asynccontextmanager
async def chromium(*flags: str) -> AsyncIterator[BrowserContext]:
    """A browser with a profile of its own, which may use the camera. Needs playwright."""
    from playwright.async_api import async_playwright

    with tempfile.TemporaryDirectory(prefix="guard-chromium-", ignore_cleanup_errors=True) as profile:
        async with async_playwright() as playwright:
            context = await playwright.chromium.launch_persistent_context(
                profile,
                executable_path=shutil.which("chromium"),
                headless=True,
                args=[*_FLAGS, *flags],
                permissions=["camera"],
            )
            try:
                yield context
            finally:
                await context.close()


def write_camera_clip(pictures: Iterable[NDArray[np.uint8]], path: Path) -> Path:
    """Number the pictures (BGR, uint8 (360, 640, 3)) from 0 and write them as one .mjpeg file, for a camera."""
    with path.open("wb") as clip:
        for number, picture in enumerate(pictures):
            shown = picture.copy()
            for channel in range(3):
                write_number(shown[:, :, channel], number)
            _, encoded = cv2.imencode(".jpg", shown, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
            clip.write(encoded.tobytes())
    return path
