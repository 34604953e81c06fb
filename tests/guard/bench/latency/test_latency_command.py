"""`guard bench latency`: one stream from end to end, also through Chromium; tables, page, comparison, bad input."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from xml.etree import ElementTree

import pytest

from guard.bench.chromium import why_no_chromium
from guard.bench.distribution import histogram
from guard.bench.latency import command, run
from guard.bench.latency.command import LatencyBench, measure
from guard.bench.latency.compare import compare, read_earlier
from guard.bench.latency.html import as_html, histogram_svg
from guard.bench.latency.report import LatencyReport
from guard.config import GuardConfig
from tests.guard.bench.conftest import BenchCommand, refused_in_one_line
from tests.guard.bench.latency.made_traces import made_report

STAGES = ["network + jitter buffer", "decode", "queue", "pixels", "engine", "decision", "publish", "WebSocket"]


@pytest.fixture
def run_made_up(monkeypatch: pytest.MonkeyPatch, bench_command: BenchCommand) -> BenchCommand:
    """Runs `guard bench latency` with made-up findings; gives exit status, stdout and stderr."""

    async def measured(config: GuardConfig, bench: LatencyBench, how: str) -> LatencyReport:
        return made_report("the browser is away" if bench.browser else None)

    monkeypatch.setattr(command, "measure", measured)

    return lambda *words: bench_command("latency", *words)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """A moment of everything: what is left is that the parts fit together."""
    monkeypatch.setattr(command, "CLIP_SECONDS", 3.0)
    monkeypatch.setattr(run, "WARM_UP_SECONDS", 1.0)


async def test_one_stream_from_end_to_end(short: None) -> None:
    report = await measure(GuardConfig(), LatencyBench((1,), 2.0, browser=False, isolated=True), "guard bench latency")
    here, elsewhere = report.rows
    assert report.skipped is None
    assert (here.isolation, elsewhere.isolation) == ("none", "process")
    assert list(here.stages) == STAGES
    assert list(elsewhere.stages) == ["network to decoded frame", *STAGES[2:]]
    assert here.cpu_per_stream.workers == 0 < elsewhere.cpu_per_stream.workers
    for row in report.rows:
        assert row.camera_to_score is not None
        assert row.plain_camera_to_array is not None
        assert row.scores == row.camera_to_score.count > 0
        assert row.sent_frames == row.scores + row.unscored_frames
        assert set(row.clock_uncertainty_ms) == {"sender", "viewer", "plain sink"}


@pytest.mark.browser
async def test_a_browser_from_camera_to_paint(short: None) -> None:
    if (reason := why_no_chromium()) is not None:
        pytest.skip(reason)
    report = await measure(
        GuardConfig(), LatencyBench((), 4.0, browser=True, isolated=True), "guard bench latency --browser"
    )
    [row] = report.rows
    assert row.sender == "Chromium"
    assert list(row.stages) == [*STAGES, "WebSocket to dashboard", "dashboard paint"]
    assert row.camera_to_paint is not None
    assert {"camera page", "dashboard page"} <= set(row.clock_uncertainty_ms)


async def test_without_a_browser_it_is_told_and_the_rest_is_measured(
    short: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "why_no_chromium", lambda: "there is none")
    report = await measure(
        GuardConfig(), LatencyBench((), 1.0, browser=True, isolated=True), "guard bench latency --browser"
    )
    assert report.rows == ()
    assert report.skipped == "the way through a browser, since there is none"


def test_tables_and_page_show_every_stage(run_made_up: BenchCommand, tmp_path: Path) -> None:
    page = tmp_path / "latency.html"
    code, out, err = run_made_up("--browser", "--html", str(page))
    assert (code, err) == (0, "")
    assert "not measured: the browser is away" in out
    assert "5.00 x" in out
    assert "4.00 x" in out
    text = page.read_text("utf-8")
    assert "isolation process" in text
    assert all(stage in out and stage in text for stage in [*STAGES, "dashboard paint"])
    assert "&plusmn;0.05 ms" in text
    assert "src=" not in text
    assert "href=" not in text


def test_a_histogram_has_a_bar_for_each_filled_bin_and_the_fullest_is_as_high_as_the_picture() -> None:
    svg = ElementTree.fromstring(histogram_svg(histogram([1.0, 1.0, 10.0, 100.0])))  # noqa: S314 - our own
    heights = [float(bar.attrib["height"]) for bar in svg.iter("rect")]
    assert heights == [48.0, 24.0, 24.0]


def test_names_are_escaped_in_the_page() -> None:
    report = made_report(skipped="<script>")
    assert "<script>" not in as_html(report)


def test_json_keeps_what_earlier_versions_told(run_made_up: BenchCommand) -> None:
    code, out, err = run_made_up("--json")
    assert (code, err) == (0, "")
    row = json.loads(out)["rows"][0]
    assert {"streams", "scores", "p50_ms", "p95_ms", "p99_ms", "max_ms", "fps"} <= set(row)
    assert {"received_frames", "dropped_frames", "cpu_per_stream"} <= set(row)
    assert {"receive_decode", "pixels", "engine", "rest"} <= set(row["cpu_per_stream"])


def test_a_run_compared_with_itself_is_as_fast(tmp_path: Path) -> None:
    report, file = made_report(), tmp_path / "earlier.json"
    file.write_text(json.dumps(asdict(report)))
    found = compare(report, read_earlier(file))
    assert {comparison.what for comparison in found} >= {"arrival -> viewer", "camera -> score", *STAGES}
    assert {ratio for comparison in found for ratio in comparison.ratios} == {1.0}


def test_the_file_of_an_earlier_version_is_compared_by_what_it_has(run_made_up: BenchCommand, tmp_path: Path) -> None:
    file = tmp_path / "earlier.json"
    row = {"streams": 1, "p50_ms": 22.0, "p95_ms": None, "p99_ms": 11.0, "max_ms": 11.0}
    file.write_text(json.dumps({"machine": "an old machine", "rows": [row]}))
    [found] = compare(made_report(), read_earlier(file))
    assert found.ratios == pytest.approx((0.5, None, 1.0, 1.0))
    code, out, _ = run_made_up("--compare", str(file))
    assert code == 0
    assert "an old machine" in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--html", "/nonesuch/l.html"), "there is no folder /nonesuch"),
        (("--compare", "/nonesuch/l.json"), "cannot read --compare /nonesuch/l.json"),
        (("--compare", "/dev/null"), "needs a file that 'guard bench latency --json' wrote"),
    ],
)
def test_bad_input_gets_one_line(run_made_up: BenchCommand, words: tuple[str, ...], said: str) -> None:
    assert said in refused_in_one_line(run_made_up, *words)
