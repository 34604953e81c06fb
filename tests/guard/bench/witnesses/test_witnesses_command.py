"""`guard bench witnesses`: figures from turns, one round from end to end, and one clear line for bad input."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from guard.bench.streams import command as streams_command
from guard.bench.streams.probe import Scene
from guard.bench.witnesses import command, turn
from guard.bench.witnesses.command import WitnessesBench, measure
from guard.bench.witnesses.findings import Verdict, p99_ratio, side, tracking_cost
from guard.bench.witnesses.report import WitnessesReport
from guard.config import GuardConfig, WitnessesConfig
from guard.errors import ConfigError, SourceError
from tests.engines.witnesses.made_witness import write_made_witness
from tests.guard.bench.conftest import BenchCommand, refused_in_one_line
from tests.guard.bench.witnesses.made_turns import made_report, tracking
from tests.guard.bench.witnesses.made_turns import turn as made_turn
from tests.guard.expressions.conftest import StandIn, stand_in

__all__ = ["stand_in"]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, bench_command: BenchCommand) -> BenchCommand:
    """Runs `guard bench witnesses` with made-up findings; gives exit status, stdout and stderr."""

    async def measured(config: GuardConfig, bench: WitnessesBench, how: str) -> WitnessesReport:
        return made_report([4.0, 5.0], [4.44, 6.0], bench)

    monkeypatch.setattr(command, "measure", measured)
    return lambda *words: bench_command("witnesses", *words)


async def test_one_round_from_end_to_end(monkeypatch: pytest.MonkeyPatch, stand_in: StandIn, tmp_path: Path) -> None:
    monkeypatch.setattr(streams_command, "CLIP_SECONDS", 1.0)
    monkeypatch.setattr(streams_command, "_PUPPETS", 1)
    monkeypatch.setattr(turn, "WARM_UP_SECONDS", 0.5)
    witness = write_made_witness(tmp_path, "facial_codes", "blendshapes")
    config = GuardConfig(expressions=stand_in(), witnesses=WitnessesConfig(models=(str(witness),)))
    report = await measure(config, WitnessesBench(1, 2.0, 1, None), "guard bench witnesses")
    assert len(report.ratio.ratios) == 1
    assert min(report.without.scored_fps, report.with_expressions.scored_fps) > 0
    assert report.cost is not None
    assert 0 < report.cost.rate_hz < 26
    assert report.cost.found == 1
    assert report.cost.cpu_ms_per_second > 0
    assert report.witness_cpu_ms["facial_codes"] > 0


async def test_a_tracker_that_does_not_come_up_is_told(monkeypatch: pytest.MonkeyPatch, stand_in: StandIn) -> None:
    monkeypatch.setattr(streams_command, "CLIP_SECONDS", 0.2)
    monkeypatch.setattr(turn, "WARM_UP_SECONDS", 0.1)
    config = GuardConfig(expressions=stand_in("refuses"))
    scene = Scene(config, Path("/tmp"), (), 1.0)
    with pytest.raises(SourceError, match=r"expressions are not tracked: MediaPipe 1\.2\.2 is newer"):
        await turn.take_turn(scene, 1, with_expressions=True)


async def test_without_a_model_file_nothing_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GUARD_EXPRESSIONS__LANDMARKER", raising=False)
    with pytest.raises(ConfigError, match=r"set expressions\.landmarker"):
        await measure(GuardConfig(), WitnessesBench(1, 2.0, 1, None), "guard bench witnesses")


def test_the_ratio_is_of_rounds_and_has_its_spread() -> None:
    sides = side([made_turn(4.0), made_turn(8.0)]), side([tracking(4.4), tracking(8.8)])
    ratio = p99_ratio(*sides)
    assert ratio.ratios == pytest.approx((1.1, 1.1))
    assert (ratio.middle, ratio.low, ratio.high, ratio.pooled) == pytest.approx((1.1, 1.1, 1.1, 1.1))
    uneven = p99_ratio(side([made_turn(4.0)] * 5), side([tracking(each) for each in (4.0, 4.0, 4.4, 8.0, 40.0)]))
    assert uneven.middle == pytest.approx(1.1)
    assert uneven.low == pytest.approx(1.0)
    assert uneven.high == pytest.approx(10.0)
    with pytest.raises(SourceError, match="no frame was scored"):
        side([])


@pytest.mark.parametrize(
    ("with_ms", "verdict"),
    [
        ((4.0, 4.1, 4.2, 4.3), Verdict.WITHIN),
        ((3.0, 4.0, 5.0, 6.0), Verdict.UNDECIDED),
        ((5.0, 5.0, 6.0, 7.0), Verdict.BROKEN),
    ],
)
def test_the_bound_is_judged_by_the_interval(with_ms: tuple[float, ...], verdict: Verdict) -> None:
    ratio = p99_ratio(side([made_turn(4.0)] * 4), side([tracking(each) for each in with_ms]))
    assert ratio.verdict is verdict


def test_the_cost_is_for_a_second_of_one_participants_video() -> None:
    cost = tracking_cost([tracking(4.0)] * 3, streams=2)
    assert cost is not None
    assert cost.cpu_ms_per_frame == pytest.approx(8.0)
    assert cost.rate_hz == pytest.approx(10.0)
    assert cost.cpu_ms_per_second == pytest.approx(80.0)
    assert (cost.found, cost.dropped) == pytest.approx((0.95, 0.2))
    assert tracking_cost([made_turn(4.0)], 2) is None


def test_tables_and_file_tell_the_same(run: BenchCommand, tmp_path: Path) -> None:
    found = tmp_path / "w.json"
    code, out, err = run("--json", str(found))
    assert (code, err) == (0, "")
    text = " ".join(out.split())
    assert "p99 with / without: 1.154 [1.110, 1.200]" in text
    assert "NOT within 1.10" in text
    assert "tracker: 8.0 ms of CPU a tracked frame, 80 ms a second of each participant's video" in text
    assert json.loads(found.read_text())["ratio"]["middle"] == pytest.approx((1.11 * 1.2) ** 0.5)


def test_a_dash_prints_nothing_but_json(run: BenchCommand) -> None:
    code, out, err = run("--json", "-")
    assert (code, err) == (0, "")
    assert json.loads(out)["cost"]["found"] == 0.95


def test_bad_input_gets_one_line(run: BenchCommand) -> None:
    assert "there is no folder /nonesuch" in refused_in_one_line(run, "--json", "/nonesuch/w.json")
