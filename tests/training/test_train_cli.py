"""The command line: help is quick and complete, errors are one line, a tiny run goes from fit to refine."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from training.cli import app
from training.data.stored import StoredClips
from training.discriminant import SIZE, discriminant
from training.fit import resume
from training.models.registry import NETWORKS
from training.models.streaming import EmbeddingLayers, StreamingConfig

RUNNER = CliRunner()


@pytest.mark.parametrize(
    "command",
    [
        "prepare",
        "track",
        "render",
        "fit",
        "unfold",
        "refine",
        "export",
        "calibrate",
        "evaluate",
        "matrix",
        "check-reference",
    ],
)
def test_every_command_explains_itself(command: str) -> None:
    result = RUNNER.invoke(app, [command, "--help"])
    assert result.exit_code == 0
    assert "Usage" in result.output


def test_fit_names_every_network() -> None:
    shown = RUNNER.invoke(app, ["fit", "--help"], terminal_width=400).output
    assert [name for name in NETWORKS if name not in shown] == []


def test_help_does_not_load_torch() -> None:
    code = (
        "import sys; from typer.testing import CliRunner; from training.cli import app; "
        "CliRunner().invoke(app, ['--help']); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def run(*arguments: str) -> str:
    result = RUNNER.invoke(app, [*arguments, "--threads", "1"])
    assert result.exit_code == 0, result.output
    return result.output


def test_a_tiny_run_end_to_end_is_not_overwritten(tmp_path: Path) -> None:
    few = ["--seeds", "4", "--puppets", "4"]
    out = str(tmp_path / "run")
    run("fit", "--out", out, "--steps", "1", "--frames", "64", "--windows", "8", *few)
    again = RUNNER.invoke(app, ["fit", "--out", out, "--steps", "1", *few])
    assert again.exit_code == 1
    assert "already holds a run" in again.output
    assert json.loads((tmp_path / "run" / "log.jsonl").read_text())["clips"] == 8
    other = RUNNER.invoke(app, ["fit", "--out", out, "--resume", "--network", "feat_diff", *few])
    assert other.exit_code == 1
    assert "holds a run with other options (network streaming, not feat_diff)" in other.output
    for given in (["--seed", "4"], ["--windows", "12"], ["--steps", "9"], ["--minutes", "1"], ["--precision", "bf16"]):
        other = RUNNER.invoke(app, ["fit", "--out", out, "--resume", *given])
        assert (other.exit_code, len(other.output.strip().splitlines())) == (1, 1)
        assert f"({given[0].removeprefix('--')} " in other.output
    run("fit", "--out", out, "--resume", "--seeds", "4")


def test_a_tiny_run_from_render_over_motion_to_identity(tmp_path: Path) -> None:
    clips, motion, refined = str(tmp_path / "clips"), str(tmp_path / "motion"), str(tmp_path / "refined")
    few = ["--seeds", "4", "--puppets", "4"]
    run("render", "--out", clips, "--batches", "2", "--windows", "36,64", "--frames", "512", *few)
    run("fit", "--out", motion, "--clips", clips, "--steps", "1", "--frames", "64", "--windows", "16")
    with_others = RUNNER.invoke(app, ["render", "--out", clips, "--batches", "3", "--seed", "1", *few])
    assert "otherwise (windows 36,64, not 36,128, frames 512, not 2048, seed 0, not 1; see" in with_others.output
    more = ["--begin", motion, "--out", str(tmp_path / "more")]
    run("fit", *more, "--clips", clips, "--steps", "1", "--frames", "64", "--windows", "16")
    other = RUNNER.invoke(app, ["fit", *more[:2], "--out", "x", "--clips", clips, "--network", "static"])
    assert "not 'static'" in other.output
    run("refine", "--run", motion, "--clips", clips, "--out", refined)
    refined_network = resume(tmp_path / "refined", torch.device("cpu")).streaming()
    wanted = EmbeddingLayers(StreamingConfig(embedding_size=SIZE))
    kept = [StoredClips.load(file) for file in sorted((tmp_path / "refined").glob("positions_*.npz"))]
    discriminant(kept, (27, 59), wanted)
    found = refined_network.embedding.directions.weight
    torch.testing.assert_close(found, wanted.directions.weight, rtol=1e-3, atol=1e-4)
    again = ["--begin", refined, "--out", str(tmp_path / "again"), "--optimizer", "muon"]
    run("fit", *again, "--clips", clips, "--steps", "1", "--frames", "64", "--windows", "16")
    for network in ("static", "landmarks"):
        run("fit", "--out", str(tmp_path / network), "--clips", clips, "--network", network, "--steps", "1")
    stages = resume(tmp_path / "refined", torch.device("cpu")).stages()
    assert [(stage.steps, stage.material["batches"], stage.material["procedural"]) for stage in stages] == [
        (1, 2, 4),
        (0, 2, 4),
    ]


@pytest.mark.parametrize(
    "command",
    [["render"], ["evaluate", "--engine", "e"], ["fit", "--clips", "c"], ["refine", "--run", "r", "--clips", "c"]],
)
def test_a_file_in_place_of_a_folder_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    result = RUNNER.invoke(app, [*command, "--out", "file"])
    assert result.exit_code == 2
    assert "'file' is a file" in in_one_line(result.output)


def test_a_folder_that_cannot_be_made_is_named() -> None:
    result = RUNNER.invoke(app, ["evaluate", "--engine", "e", "--out", f"{__file__}/report"])
    assert result.exit_code == 1
    assert result.output.startswith(f"guard-train: cannot use {__file__}/report: ")


def test_only_known_devices_are_taken() -> None:
    result = RUNNER.invoke(app, ["fit", "--out", "x", "--device", "tpu"])
    assert result.exit_code == 2
    assert "'tpu' is not one of 'cpu', 'cuda'" in in_one_line(result.output)


def in_one_line(box: str) -> str:
    return " ".join(box.replace("│", " ").split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["prepare", "--out", "x", "--manifest", "nowhere.csv", "--whole"], "cannot read the manifest nowhere.csv"),
        (["fit", "--out", "x", "--windows", "long"], "--windows takes numbers"),
        (["fit", "--out", "x", "--network", "resnet"], "unknown network"),
        (["fit", "--out", "x", "--windows", "5,64"], "needs windows of 6 frames or more, got 5"),
        (["refine", "--run", "nowhere", "--clips", "x", "--out", "y"], "no checkpoint"),
        (["unfold", "nowhere", "--clips", "x", "--out", "y"], "no rendered clips in x"),
        (["fit", "--out", "x", "--clips", "nowhere"], "no rendered clips"),
        (["fit", "--out", "x", "--clips", "y", "--windows", "32,48"], "windows of one length: give --windows 32"),
        (["evaluate", "--engine", "same", "--out", "./same"], "is the engine's own folder"),
        (["evaluate", "--engine", "same", "--out", "same", "--manifest", "m.csv"], "is the engine's own folder"),
        (["evaluate", "--engine", "e", "--out", "x", "--manifest", "m.csv", "--into-card"], "do not go into a card"),
        (["compare", "rows", "--out", "x", "--seen", "mesh_warp,face_mesh"], "face_mesh is either seen or unseen"),
        (["calibrate", "--engine", "nowhere"], "nowhere"),
        (["check-reference", "nowhere.npz"], "no such reference file"),
    ],
)
def test_mistakes_get_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = RUNNER.invoke(app, arguments)
    assert result.exit_code == 1
    assert message in result.output
    assert len(result.output.strip().splitlines()) == 1


def test_check_reference_on_the_golden_file(golden: Path) -> None:
    files = sorted(golden.glob("*.npz"))
    result = RUNNER.invoke(app, ["check-reference", str(files[0]), "--json"])
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert document["passed"] is True
    assert max(document[name] for name in ("stem", "fcc", "features", "embedding")) <= 1e-4
