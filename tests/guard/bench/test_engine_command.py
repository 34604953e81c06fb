"""`guard bench engine` from end to end, on the shipped engine for a moment, and one clear line for bad input."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from engines import registry
from guard.bench import engine as engine_bench
from guard.bench.ceilings import Ceilings
from guard.bench.stream_counts import parse_stream_counts
from guard.errors import ConfigError
from tests.guard.bench.conftest import BenchCommand, refused_in_one_line

STAGES = ["backbone", "difference", "head", "flow", "pooling", "embedding"]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, bench_command: BenchCommand) -> BenchCommand:
    """Runs `guard bench engine` on known ceilings; gives exit status, stdout and stderr."""
    monkeypatch.setattr(engine_bench, "cpu_ceilings", lambda threads: Ceilings(50.0, 10.0, f"{threads} made-up"))

    return lambda *words: bench_command("engine", *words)


def test_tables_file_and_picture_tell_the_same(run: BenchCommand, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    found, picture = tmp_path / "engine.json", tmp_path / "engine.png"
    words = ("--backend", "onnx", "--streams", "1,3", "--seconds", "0.1", "--json", str(found), "--plot", str(picture))
    code, out, err = run(*words)
    assert (code, err) == (0, "")
    report = json.loads(found.read_text())
    assert report["status"]["backend"] == "onnx"
    assert (report["ceilings"]["gflops"], report["threads"], report["seconds"]) == (50.0, 1, 0.1)
    assert (report["energy"]["source"] is None) != (report["energy"]["missing"] is None)
    assert [row["timing"]["streams"] for row in report["rows"]] == [1, 3]
    for row in report["rows"]:
        assert list(row["stages"]["stages_ms"]) == STAGES
        assert row["at_30_fps"]["due_steps"] == 3
        rate = row["rates"]["backbone"]
        assert rate["share"] == pytest.approx(rate["rate"] / 50)
        assert row["rates"]["head"]["share"] is None, "8-bit integers against a ceiling of floats"
        assert f"{row['timing']['p99_ms']:.2f}" in out
    assert all(stage in out for stage in (*STAGES, "rest", "keeps up", "kB/stream"))
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_dash_prints_nothing_but_json(run: BenchCommand) -> None:
    code, out, err = run("--backend", "onnx", "--streams", "2", "--seconds", "0.1", "--json", "-")
    assert (code, err) == (0, "")
    assert json.loads(out)["rows"][0]["timing"]["streams"] == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--streams", "0,x"), "--streams 0,x: needs numbers from 1"),
        (("--backend", "cuda"), "auto|onnx|tensorrt"),
        (("--json", "/nonesuch/engine.json"), "there is no folder /nonesuch"),
        (("--plot", "engine.xyz"), "its ending must be one of"),
    ],
)
def test_bad_input_gets_one_line(run: BenchCommand, words: tuple[str, ...], said: str) -> None:
    assert said in refused_in_one_line(run, *words)


def test_a_backend_that_is_not_there_gets_one_line(run: BenchCommand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "find_gpu_trouble", lambda: "there is no NVIDIA driver")
    code, _, err = run("--backend", "tensorrt")
    assert code == 1
    assert err == "error: tensorrt: there is no NVIDIA driver; use the backend 'onnx' or 'auto'\n"


def test_without_matplotlib_a_picture_is_refused_before_the_work(
    run: BenchCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.delitem(sys.modules, "guard.bench.engine_plot", raising=False)
    for name in [name for name in sys.modules if name.startswith("matplotlib.")]:
        monkeypatch.delitem(sys.modules, name)
    code, out, err = run("--plot", "engine.png")
    assert (code, out) == (1, "")
    assert err.startswith("error: --plot needs matplotlib")
    assert err.count("\n") == 1


def test_stream_counts() -> None:
    assert parse_stream_counts("1, 4,8") == (1, 4, 8)
    for text in ("", "1,,2", "-1", "1.5", "65537", "²"):
        with pytest.raises(ConfigError, match="comma-separated"):
            parse_stream_counts(text)
