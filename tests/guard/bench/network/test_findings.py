"""Rows from recorded calls whose outcome is known by construction, and what people see of them."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from guard.bench.network.findings import Scores, longest_freeze_ms, make_row
from guard.bench.network.report import as_markdown
from tests.guard.bench.network.recorded_calls import (
    BURSTY,
    CLEAN,
    FPS,
    SECONDS,
    START,
    call,
    frame,
    made_report,
    steady,
)


def test_a_good_call_has_everything() -> None:
    row = make_row(CLEAN, call(steady()), call(steady(llr=-3.0)), 0.5, enrolled=True)
    assert row.latency is not None
    assert (row.latency.p50_ms, row.latency.max_ms) == pytest.approx((40.0, 40.0))
    assert row.longest_freeze_ms == pytest.approx(1000 / FPS)
    assert (row.frames_sent, row.frames_delivered, row.frames_dropped) == (240, 240, 2)
    assert (row.packets_sent, row.packets_lost, row.packets_overflowed) == (800, 30, 10)
    assert (row.nacks, row.plis, row.usable_share) == (14, 4, 1.0)
    assert row.genuine == Scores(120, 2.0, 0.2, 0.0)
    assert row.impostor == Scores(120, -3.0, -0.3, 0.0)


def test_a_freeze_counts_also_where_it_does_not_end() -> None:
    assert longest_freeze_ms(call([])) == 1000 * SECONDS
    assert longest_freeze_ms(call(steady(31))) == pytest.approx(1000 * (SECONDS - 1.03), abs=0.1)
    late = [frame(START + 0.1, latency_ms=3500)]
    assert longest_freeze_ms(call(late)) == pytest.approx(3590)


def test_percentiles_are_over_frames_of_the_recorded_time_however_late() -> None:
    early, late = frame(START - 0.01, 900.0), frame(START + SECONDS - 0.01, 1500.0)
    row = make_row(CLEAN, call([early, *steady(100), late]), call([]), 0.5, enrolled=False)
    assert row.latency is not None
    assert row.latency.max_ms == pytest.approx(1500)
    assert row.latency.p50_ms == pytest.approx(40)
    assert (row.genuine, row.impostor) == (None, None)


def test_only_windows_that_may_be_scored_are_usable() -> None:
    broken = [replace(found, valid_fraction=0.49) for found in steady(60)]
    rest = steady()[60:]
    row = make_row(BURSTY, call([*broken, *rest]), call([]), 0.5, enrolled=True)
    assert row.usable_share == pytest.approx(60 / 240)
    assert row.genuine == Scores(60, 2.0, 0.2, 0.0)
    assert row.impostor == Scores(0, None, None, None)


def test_errors_are_windows_on_the_wrong_side() -> None:
    mixed = [frame(START + number / FPS, llr=-1.0 if number < 30 else 1.0) for number in range(120)]
    row = make_row(CLEAN, call(mixed), call(mixed), 0.5, enrolled=True)
    assert row.genuine is not None
    assert row.impostor is not None
    assert (row.genuine.error, row.impostor.error) == (0.25, 0.75)


def test_the_table_is_markdown_with_machine_and_command() -> None:
    text = as_markdown(made_report())
    assert "`guard bench network` on a machine" in text
    assert "load 1.0 before, 2.5 after" in text
    table = [line for line in text.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table]
    assert len({len(line) for line in cells}) == 1
    assert cells[2][:9] == ["clean loopback", "40", "40", "40", "33", "30.0", "240/240", "2", "5.0 %"]
    assert cells[2][-3:] == ["+2.00", "-3.00", "0 % / 0 %"]
    assert cells[3][-3:] == ["+0.50 (-1.50)", "-", "0 % / -"]
    assert cells[4][1:5] == ["-", "-", "-", "4000"]
    assert "No scores: the clean call" in as_markdown(made_report(enrolled=False))


def test_json_holds_every_figure() -> None:
    rows = json.loads(json.dumps(asdict(made_report())))["rows"]
    assert rows[1]["network"]["impairment"]["burst_packets"] == 8
    assert rows[0]["latency"]["p99_ms"] == pytest.approx(40)
    assert rows[2]["latency"] is None


@pytest.mark.parametrize("enrolled", [True, False])
def test_the_picture_is_drawn_also_where_nothing_came(tmp_path: Path, enrolled: bool) -> None:
    pytest.importorskip("matplotlib")
    from guard.bench.network.plot import save_plot

    save_plot(made_report(enrolled=enrolled), tmp_path / "network.png")
    assert (tmp_path / "network.png").read_bytes().startswith(b"\x89PNG")
