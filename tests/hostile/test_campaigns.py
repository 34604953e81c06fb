"""The campaigns in small: everybody else's video and the API go on, nothing grows, the guard stops.

With large counts and figures: `python -m tests.hostile`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hostile.__main__ import CAMPAIGNS

_MORE_MB = 60.0
"""What a campaign may add: code that is loaded when it is needed, and memory that malloc keeps."""


@pytest.mark.timeout(900)
def test_no_campaign_hurts_anybody_else(tmp_path: Path) -> None:
    result = tmp_path / "hostile.json"
    command = [sys.executable, "-m", "tests.hostile", "--count", "20", "--json", str(result)]
    # Workers that are lost take longer; tests/guard/isolation has that in small.
    chosen = [part for name in CAMPAIGNS for part in ("--only", name)]
    subprocess.run([*command, *chosen], check=True, stdout=subprocess.DEVNULL)
    report = json.loads(result.read_text("utf-8"))
    assert None not in report["stop_seconds"]
    assert [campaign["name"] for campaign in report["campaigns"]] == list(CAMPAIGNS)
    for campaign in report["campaigns"]:
        assert campaign["outcomes"]
        assert campaign["bystander_frames"] > 0
        assert campaign["status_failed"] == 0
        assert campaign["rss_growth_mb"] < _MORE_MB
        assert abs(campaign["descriptors_growth"]) < 8
        assert campaign["threads_growth"] < 4
        assert not {"joined", "status 500", "no answer"} & set(campaign["outcomes"])
