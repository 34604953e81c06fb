"""`guard-train person`: from prepared clips to a general model, a person's and a score; failures are one line."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from engines.pixels import CropBox
from tests.training.person_models.made_up_people import recording
from training.cli import app
from training.data.luma_clip import LumaClip
from training.data.manifest import ManifestRow, write_manifest

RUNNER = CliRunner()


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """Two training people and one of the test split, prepared."""
    rows = []
    for person, split in enumerate(("train", "train", "test")):
        faces = np.kron(recording(person, 104).faces, np.ones((1, 2, 2), np.uint8))
        LumaClip(faces, np.arange(104) / 25, CropBox(0, 0, 128)).save(tmp_path / f"{person}.npz")
        name = f"p{person}"
        rows.append(ManifestRow(f"{person}.npz", name, name, "day", "none", "own", split, "none"))  # type: ignore[arg-type]
    write_manifest(rows, tmp_path / "manifest.csv")
    return tmp_path


@pytest.mark.parametrize("command", ["general", "enrol", "score", "measure", "release"])
def test_every_command_explains_itself(command: str) -> None:
    result = RUNNER.invoke(app, ["person", command, "--help"])
    assert result.exit_code == 0
    assert "Usage" in result.output


def test_a_person_is_enrolled_and_scored(clips: Path) -> None:
    common, own = str(clips / "general.pt"), str(clips / "own.pt")
    short = ["--epochs", "1", "--threads", "1"]
    made = RUNNER.invoke(
        app,
        ["person", "general", "--manifest", str(clips / "manifest.csv"), "--out", common, "--pairs", "16", "--width",
         "0.04", "--json", *short],
    )  # fmt: skip
    assert made.exit_code == 0, made.output
    assert "general model of 2 people" in made.output
    made = RUNNER.invoke(
        app, ["person", "enrol", str(clips / "2.npz"), "--general", common, "--out", own, "--json", *short]
    )
    assert made.exit_code == 0, made.output
    told = [json.loads(line) for line in made.output.splitlines() if line.startswith("{")]
    assert (told[0]["step"], told[-1]["step"], told[-1]["steps"]) == (1, 13, 13)
    shown = RUNNER.invoke(
        app, ["person", "score", str(clips / "2.npz"), "--claimed", own, "--others", common, "--threads", "1"]
    )
    assert shown.exit_code == 0, shown.output
    found = json.loads(shown.output)
    assert set(found) == {"log_ratio", "claimed_error", "pairs"}
    assert np.isfinite(found["log_ratio"])
    assert torch.get_num_threads() == 1


def test_signals_are_handled_as_before_afterwards(clips: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    RUNNER.invoke(app, ["person", "enrol", str(clips / "2.npz"), "--general", "none.pt", "--out", "own.pt"])
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["enrol", "{clips}/2.npz", "--general", "{clips}/none.pt", "--out", "own.pt"], "there is no person model"),
        (["enrol", "{clips}/manifest.csv", "--general", "{clips}/none.pt", "--out", "own.pt"], "holds no clip"),
        (["score", "{clips}/2.npz", "--claimed", "{clips}/2.npz", "--others", "x.pt"], "is no person model"),
        (["measure", "--manifest", "{clips}/manifest.csv", "--generals", "{clips}", "--out", "{clips}/o"], "--data"),
        (["measure", "--manifest", "{clips}/manifest.csv", "--generals", "{clips}", "--out", "{clips}/o",
          "--common-seeds", "0"], "only 0 people"),
    ],
)  # fmt: skip
def test_unfit_input_is_told_in_one_line(clips: Path, arguments: list[str], text: str) -> None:
    result = RUNNER.invoke(app, ["person", *(part.format(clips=clips) for part in arguments)])
    assert result.exit_code == 1
    lines = [line for line in result.output.splitlines() if line.startswith("guard-train: ")]
    assert len(lines) == 1
    assert text in lines[0]
