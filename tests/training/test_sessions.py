"""A resumed run goes on with its own options, whatever the command line leaves out, and refuses others."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch

from training.data.recipe import RECIPE, claim, plain
from training.errors import CheckpointError, DataError, TrainingError
from training.fit import FitConfig, Run, start
from training.muon import Muon
from training.origin import DRIVERS, EMBEDDING, Stage
from training.sessions import FitSession, resumed_session, stored_numbers

OWN = FitSession(
    network="static", steps=9, minutes=None, frames=64, windows=(8,), optimizer="adamw", precision=None,
    compile=False, seed=3, generators=("thin_plate",), face_mesh=None, begin=None, clips=None,
    data=Path("/people"), portraits=None, seeds=4, puppets=5,
)  # fmt: skip
DEFAULTS = replace(OWN, steps=2000, windows=(32, 48), seed=0, data=None, seeds=1000, generators=("mesh_warp",))
OUT = Path("run")


def stopped(origin: Stage) -> Run:
    run = start(FitConfig(network="static", steps=9, seed=3), 0, torch.device("cpu"))
    run.origin = origin
    return run


@pytest.fixture(scope="module")
def run() -> Run:
    return stopped(Stage(DRIVERS, plain(asdict(OWN))))


def test_what_is_not_given_comes_from_the_checkpoint(run: Run) -> None:
    assert resumed_session(run, DEFAULTS, set(), OUT) == replace(OWN, precision="fp32")
    assert resumed_session(run, replace(DEFAULTS, seed=3, windows=(8,)), {"seed", "windows"}, OUT).seeds == 4


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("seed", "seed 3, not 0"),
        ("steps", "steps 9, not 2000"),
        ("windows", "windows 8, not 32,48"),
        ("data", "data /people, not None"),
        ("generators", "generators thin_plate, not mesh_warp"),
    ],
)
def test_what_is_given_must_be_the_same(run: Run, name: str, told: str) -> None:
    with pytest.raises(CheckpointError, match=rf"other options \({told}\)"):
        resumed_session(run, DEFAULTS, {name}, OUT)


def test_an_older_checkpoint_takes_from_the_command_line_what_it_did_not_keep(
    caplog: pytest.LogCaptureFixture,
) -> None:
    older = stopped(Stage())
    session = resumed_session(older, DEFAULTS, {"seeds", "windows"}, OUT)
    assert session == replace(DEFAULTS, steps=9, seed=3, precision="fp32")
    assert "does not tell what it was drawn from" in caplog.text
    with pytest.raises(CheckpointError, match="seed 3, not 0"):
        resumed_session(older, DEFAULTS, {"seed"}, OUT)


def test_a_refined_run_is_not_resumed_as_another_kind() -> None:
    with pytest.raises(CheckpointError, match="a run of `refine`"):
        resumed_session(stopped(Stage(EMBEDDING)), DEFAULTS, set(), OUT)


def test_an_unfolded_run_is_begun_with_and_not_resumed() -> None:
    with pytest.raises(CheckpointError, match="no training to resume; begin with it"):
        resumed_session(stopped(Stage(engine="f5c-stream 0.5.0")), DEFAULTS, set(), OUT)


def test_muon_is_for_networks_with_convolutions() -> None:
    run = start(FitConfig(network="streaming", optimizer="muon"), 3, torch.device("cpu"))
    assert isinstance(run.optimizer, Muon)
    with pytest.raises(TrainingError, match="'landmarks' has no convolutions for muon"):
        start(FitConfig(network="landmarks", optimizer="muon"), 0, torch.device("cpu"))


def test_motion_from_clips_is_learnt_from_windows_of_one_length() -> None:
    session = replace(DEFAULTS, network="streaming", clips=Path("clips"))
    assert session.checked(set()).windows == (32,)
    with pytest.raises(DataError, match="give --windows 32"):
        session.checked({"windows"})
    assert replace(session, network="feat_diff").checked({"windows"}).windows == (32, 48)


def test_stored_clips_tell_of_whom_they_are_where_they_were_told(tmp_path: Path) -> None:
    (tmp_path / "0000.npz").touch()
    assert stored_numbers(tmp_path) == {"batches": 1}
    claim(tmp_path / RECIPE, {"people": 52, "seed": 3, "generators": ("mesh_warp",)}, kept=False)
    assert stored_numbers(tmp_path) == {"batches": 1, "people": 52, "generators": ["mesh_warp"]}
