"""`guard bench network`: one network from end to end, what it writes, and one clear line for bad input."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from guard.bench.network import call, clips, command
from guard.bench.network.command import NetworkBench, measure
from guard.bench.network.networks import NETWORKS
from guard.bench.network.report import NetworkReport, as_markdown
from guard.config import GuardConfig
from guard.errors import SourceError
from guard.server import RunningGuard
from tests.guard.bench.conftest import BenchCommand, refused_in_one_line
from tests.guard.bench.network.recorded_calls import made_report


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, bench_command: BenchCommand) -> BenchCommand:
    """Runs `guard bench network` with made-up findings; gives exit status, stdout and stderr."""

    async def measured(config: GuardConfig, bench: NetworkBench, how: str) -> NetworkReport:
        return made_report()

    monkeypatch.setattr(command, "measure", measured)

    return lambda *words: bench_command("network", *words)


async def test_one_network_from_end_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(guard: RunningGuard, clip: Path) -> None:
        raise SourceError("too short for a test")

    # A moment of everything: what is left is that the parts fit together.
    monkeypatch.setattr(command, "enrol", refuse)
    monkeypatch.setattr(clips, "ENROLMENT_SECONDS", 1.1)
    monkeypatch.setattr(call, "LEAD_SECONDS", 0.5)
    monkeypatch.setattr(call, "SETTLE_SECONDS", 0.1)
    monkeypatch.setattr(call, "_LATE_SECONDS", 0.1)
    report = await measure(GuardConfig(), NetworkBench(1.5, 1, None, None, NETWORKS[:1]), "guard bench network")
    [row] = report.rows
    assert report.not_enrolled == "too short for a test"
    assert row.frames_sent > 0
    assert row.frames_delivered > 0
    assert row.packets_sent > 0
    assert (row.packets_lost, row.genuine) == (0, None)


def test_table_files_and_picture_tell_the_same(run: BenchCommand, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    found, table, picture = tmp_path / "n.json", tmp_path / "n.md", tmp_path / "n.png"
    code, out, err = run("--json", str(found), "--markdown", str(table), "--plot", str(picture))
    assert (code, err) == (0, "")
    assert out == table.read_text() == as_markdown(made_report())
    assert len(json.loads(found.read_text())["rows"]) == 3
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_dash_prints_nothing_but_json(run: BenchCommand) -> None:
    code, out, err = run("--json", "-")
    assert (code, err) == (0, "")
    assert json.loads(out)["clips"] == "puppets"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--json", "/nonesuch/n.json"), "there is no folder /nonesuch"),
        (("--markdown", "/nonesuch/n.md"), "there is no folder /nonesuch"),
        (("--plot", "n.xyz"), "its ending must be one of"),
    ],
)
def test_bad_input_gets_one_line(run: BenchCommand, words: tuple[str, ...], said: str) -> None:
    assert said in refused_in_one_line(run, *words)
