"""`guard bench streams`: one stream from end to end, what it writes, and one clear line for bad input."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from guard.bench.streams import command, costs, probe
from guard.bench.streams.command import StreamsBench, measure
from guard.bench.streams.report import StreamsReport
from guard.config import GuardConfig
from tests.guard.bench.conftest import BenchCommand, refused_in_one_line
from tests.guard.bench.streams.made_report import made_report


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, bench_command: BenchCommand) -> BenchCommand:
    """Runs `guard bench streams` with made-up findings; gives exit status, stdout and stderr."""

    async def measured(config: GuardConfig, bench: StreamsBench, how: str) -> StreamsReport:
        return made_report()

    monkeypatch.setattr(command, "measure", measured)

    return lambda *words: bench_command("streams", *words)


async def test_one_stream_from_end_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    # A moment of everything: what is left is that the parts fit together.
    monkeypatch.setattr(command, "CLIP_SECONDS", 1.0)
    monkeypatch.setattr(command, "_PUPPETS", 1)
    monkeypatch.setattr(probe, "WARM_UP_SECONDS", 0.5)
    monkeypatch.setattr(costs, "WARM_UP_SECONDS", 0.5)
    report = await measure(GuardConfig(), StreamsBench(2.0, 1, None, isolated=True), "guard bench streams")
    [full], [empty] = report.with_engine.probes, report.without_engine.probes
    assert full.engine.startswith("f5c")
    assert empty.engine.endswith("on none")
    assert full.latency is not None
    assert full.cpu is not None
    assert min(full.cpu.receive, full.cpu.decode, full.cpu.pixels, full.cpu.engine, full.cpu.total) > 0
    assert full.cpu.workers == 0
    assert report.isolated is not None
    [isolated] = report.isolated.probes
    assert isolated.latency is not None
    assert isolated.cpu is not None
    assert isolated.cpu.decode == 0
    assert min(isolated.cpu.workers, isolated.cpu.engine) > 0
    assert report.costs.isolated is not None
    assert report.costs.plain_ms is not None
    assert min(report.costs.native.ms, report.costs.libvpx.ms, report.costs.paced.ms) > 0
    assert min(report.decoding_alone) > 0


def test_tables_file_and_picture_tell_the_same(run: BenchCommand, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    found, picture = tmp_path / "s.json", tmp_path / "s.png"
    code, out, err = run("--json", str(found), "--plot", str(picture))
    assert (code, err) == (0, "")
    assert (
        "2 with the engine, 1 with workers and engine, 0 without; decoding alone would allow 66 (libvpx: 33)"
        in " ".join(out.split())
    )
    assert "p99 500 ms" in out
    assert "30.00" in out  # ms/frame of the guard without engine, and so its ratio to 1 ms of decoding
    assert "15.00" in out  # and its ratio to 2 ms of decoding at the pace of a call
    assert "CPU for each stream, 2 streams" in out
    assert "CPU for each stream, 1 streams" in out
    assert json.loads(found.read_text())["with_engine"]["largest"] == 2
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_dash_prints_nothing_but_json(run: BenchCommand) -> None:
    code, out, err = run("--json", "-")
    assert (code, err) == (0, "")
    assert json.loads(out)["cores"] == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--json", "/nonesuch/s.json"), "there is no folder /nonesuch"),
        (("--plot", "s.xyz"), "its ending must be one of"),
    ],
)
def test_bad_input_gets_one_line(run: BenchCommand, words: tuple[str, ...], said: str) -> None:
    assert said in refused_in_one_line(run, *words)
