"""A real browser that publishes a clip and shows the dashboard: `python -m guard.bench.latency.chromium_camera`.

One tab is the camera: it notes when each frame is there, before its encoder gets it, by the number in the picture, and
publishes the track twice, to the guard and to the plain sink. Another tab is the dashboard: it notes when each score's
message came and when the picture with it was painted. The pages' clocks are tied to this process's.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from playwright.async_api import BrowserContext, Page

from guard.bench.child import Answer, run_child
from guard.bench.chromium import chromium_filming
from guard.bench.clock_tie import ClockReading, ClockTie, join_ties, tie_clocks
from guard.bench.latency.browser_job import JOB, REPORT, BrowserJob, BrowserReport
from guard.bench.latency.traces import PaintedScore, SentFrame
from guard.calls.whip_client import post_offer

_SCRIPTS = Path(__file__).parent
_CLOCK_READINGS = 50
_CLOCK_STEP_SECONDS = 1e-4
"""Browsers tell the time in steps of 100 us to pages that are not isolated (High Resolution Time, section 8.1)."""


@asynccontextmanager
async def _browsing(line: bytes) -> AsyncIterator[Mapping[str, Answer]]:
    job = JOB.validate_json(line)
    async with chromium_filming(job.clip) as browser:
        camera, dashboard = await _open_camera(browser, job), await _open_dashboard(browser, job)
        before = [await _tie_page(page) for page in (camera, dashboard)]

        async def report() -> object:
            camera_tie = join_ties(before[0], await _tie_page(camera))
            dashboard_tie = join_ties(before[1], await _tie_page(dashboard))
            frames = await camera.evaluate("window.benchCamera")
            scores = await dashboard.evaluate("window.benchPainted")
            found = BrowserReport(
                camera=tuple(SentFrame(int(number), camera_tie.ours(at / 1000)) for number, at in frames),
                painted=tuple(
                    PaintedScore(int(seq), dashboard_tie.ours(received / 1000), dashboard_tie.ours(painted / 1000))
                    for seq, received, painted in sorted(scores)
                ),
                clocks={"camera page": camera_tie, "dashboard page": dashboard_tie},
            )
            return REPORT.dump_python(found, mode="json")

        yield {"report": report}


async def _open_camera(browser: BrowserContext, job: BrowserJob) -> Page:
    """Any page of the guard will do as a place that may use a camera; the offers go out from here, so that no server
    has to admit foreign pages."""
    page = await browser.new_page()
    await page.goto(job.whip_url.partition("/whip/")[0] + "/openapi.json")

    async def exchange(target: str, offer: str) -> str:
        url, token = (job.whip_url, job.token) if target == "guard" else (job.plain_url, "none")
        _, answer = await asyncio.to_thread(post_offer, url, token, offer)
        return answer

    await page.expose_function("benchExchange", exchange)
    await page.evaluate((_SCRIPTS / "camera.js").read_text("utf-8"))
    return page


async def _open_dashboard(browser: BrowserContext, job: BrowserJob) -> Page:
    page = await browser.new_page()
    await page.add_init_script((_SCRIPTS / "dashboard.js").read_text("utf-8"))
    await page.goto(job.dashboard_url)
    return page


async def _tie_page(page: Page) -> ClockTie:
    readings = []
    for _ in range(_CLOCK_READINGS):
        asked = time.monotonic()
        told = float(await page.evaluate("performance.timeOrigin + performance.now()")) / 1000
        readings.append(ClockReading(asked, told, time.monotonic()))
    return tie_clocks(readings, _CLOCK_STEP_SECONDS)


if __name__ == "__main__":
    run_child(_browsing)
