"""The campaigns in small: everybody else's video and the API go on, nothing grows, the guard stops.

With large counts and figures: `python -m tests.hostile`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.hostile.__main__ import CAMPAIGNS, tries
from tests.hostile.campaign import Target, attacked_guard, run_campaign

_COUNT = 20
_MORE_MB = 60.0
"""What a first campaign may add: code that is loaded when it is needed, and memory that malloc keeps."""
_MORE_TASKS = 12


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def target(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Target]:
    folder: Path = tmp_path_factory.mktemp("guard")
    async with attacked_guard(str(folder / "templates.sqlite3")) as attacked:
        yield attacked
    assert attacked.guard.stop_seconds is not None


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("name", CAMPAIGNS)
async def test_a_campaign_hurts_nobody_else(target: Target, name: str) -> None:
    campaign, share = CAMPAIGNS[name]
    report = await run_campaign(name, campaign, target, tries(_COUNT, share), seed=7)
    assert sum(report.outcomes.values()) > 0
    assert report.bystander_frames > 0
    assert report.status_failed == 0
    assert report.rss_growth_mb < _MORE_MB
    assert abs(report.descriptors_growth) < 8
    assert report.threads_growth < 4
    assert report.tasks_growth < _MORE_TASKS
    assert not any("500" in outcome or "no answer" in outcome for outcome in report.outcomes)
    assert not any(outcome in ("joined", "nothing: open after 25 s") for outcome in report.outcomes)
