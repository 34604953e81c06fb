"""A card tells what an engine was really made from, and says where that was not recorded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from training.cohort import Cohort
from training.evaluate import DriverEmbeddings
from training.fit import CHECKPOINT, FitConfig, continue_with, resume, save, start
from training.origin import EMBEDDING, MOTION, Stage, effort, origin_text
from training.release import CalibrationMaterial, blank_card

CPU = torch.device("cpu")
MATERIAL = {
    "batches": 60, "people": 52, "procedural": 600, "portraits": 30, "puppets": 100,
    "generators": ["mesh_warp", "thin_plate"],
}  # fmt: skip
OPTIONS = {"windows": [32], "frames": 256, "seed": 5, "data": "/home/somebody/people"}


def drivers(count: int, first: int = 0) -> list[DriverEmbeddings]:
    rows = np.ones((1, 2), np.float32)
    return [DriverEmbeddings(first + number, face, rows, rows) for number in range(count) for face in range(2)]


def test_every_run_on_the_way_is_told_and_no_folder_of_the_machine() -> None:
    text = origin_text([Stage(MOTION, OPTIONS, MATERIAL, 1700, 3120), Stage(EMBEDDING, {}, {"batches": 60})])
    assert text == (
        "1. 1700 steps in 52.0 minutes: the network learnt how fast each landmark moves, on 60 rendered batches of 52 "
        "people, each also retimed and mirrored, and 600 procedural drivers, crossed with 30 photographed and 100 "
        "painted faces, rendered by mesh_warp, thin_plate (windows 32, frames 256, seed 5).\n"
        "2. Without a step: the network learnt in its embedding alone, to tell drivers apart, on 60 rendered "
        "batches of drivers and faces that were not recorded."
    )


def test_a_run_made_of_an_engine_points_to_its_card() -> None:
    stages = (Stage(engine="f5c-stream 0.4.0"), Stage(MOTION, OPTIONS, MATERIAL, 4380, 2280))
    assert origin_text(stages).startswith(
        "1. The network of engine f5c-stream 0.4.0, whose card tells how it learnt.\n"
    )
    assert effort(stages) == "4380 steps in 38.0 minutes, beside those of engine f5c-stream 0.4.0"


def test_checkpoints_keep_the_runs_that_led_to_them(tmp_path: Path) -> None:
    first = start(FitConfig(network="static"), 0, CPU)
    first.origin, first.step, first.seconds = Stage(MOTION, OPTIONS, MATERIAL), 7, 60.0
    save(first, tmp_path)
    second = continue_with(resume(tmp_path, CPU), first.config)
    second.origin, second.step = Stage(EMBEDDING), 3
    save(second, tmp_path)
    stages = resume(tmp_path, CPU).stages()
    assert stages == (Stage(MOTION, OPTIONS, MATERIAL, 7, 60.0), Stage(EMBEDDING, steps=3))
    assert effort(stages) == "10 steps in 1.0 minutes"


def test_an_older_checkpoint_invents_nothing(tmp_path: Path) -> None:
    run = start(FitConfig(network="static"), 0, CPU)
    run.step, run.seconds = 400, 7200.0
    save(run, tmp_path)
    state = torch.load(tmp_path / CHECKPOINT, weights_only=True)
    del state["stages"]
    torch.save(state, tmp_path / CHECKPOINT)
    cohort = Cohort(np.ones((3, 2), np.float32), np.array([[-1, -1], [4, 5], [5, 4]]))
    found = CalibrationMaterial(drivers(8), drivers(2, first=4))
    card = blank_card(resume(tmp_path, CPU).stages(), found, cohort)
    assert "Trained for 400 steps in 2.0 hours (runs before these were not recorded): read" in card.summary
    assert card.training_data == (
        "1. 400 steps in 2.0 hours; what it learnt, and from what, was not recorded.\n\n"
        "Calibrated on 8 procedural drivers and 2 real people of the validation split, whom training never saw. "
        "The cohort holds 1 procedural strangers and 2 blends of two real people each."
    )
