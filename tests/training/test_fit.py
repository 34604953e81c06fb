"""The trainer on procedural drivers alone: it runs, learns, resumes exactly, and refuses what does not fit."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from training.data.batches import Batch, BatchMaker, position_speed, speed_scale
from training.data.channel import ChannelRange
from training.data.feature_maps import MixedMaps, map_batches
from training.data.material import Material, renderer
from training.data.sampler import CrossedSampler
from training.errors import CheckpointError, DataError, TrainingError
from training.fit import (
    CHECKPOINT,
    LOG,
    FitConfig,
    continue_with,
    fit,
    load_network,
    progress,
    resume,
    same_face_pairs,
    start,
)
from training.models.streaming import StreamingFeatDiff

CPU = torch.device("cpu")
SHORT = FitConfig(steps=3, save_every_steps=2)


def maker(material: Material, frames: int = 8) -> BatchMaker:
    targets = tuple(range(len(material.targets)))
    sampler = CrossedSampler(material.bank, material.groups, targets, (frames,), 2, 2 * 2 * frames, 0)
    scale = speed_scale(material.bank)
    return BatchMaker(sampler, material.bank, renderer(material.targets, CPU), CPU, ChannelRange(), scale)


def log_of(out: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (out / LOG).read_text().splitlines()]


@pytest.fixture(scope="module")
def finished(small_material: Material, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run")
    run = start(SHORT, len(speed_scale(small_material.bank)), CPU)
    fit(run, maker(small_material), out)
    return out


def test_three_steps_run_log_and_save(finished: Path) -> None:
    lines = log_of(finished)
    assert [line["step"] for line in lines] == [1, 2, 3]
    assert all(np.isfinite(line["identity"]) and np.isfinite(line["motion"]) for line in lines)
    network = load_network(finished)
    assert isinstance(network, StreamingFeatDiff)
    assert not network.training


def test_a_batch_repeats_exactly_and_holds_what_it_promises(small_material: Material) -> None:
    first, again = maker(small_material)(5), maker(small_material)(5)
    torch.testing.assert_close(first.inputs, again.inputs, rtol=0, atol=0)
    assert first.inputs.shape == (4, 8, 128, 128)
    assert 0 <= float(first.inputs.min()) < float(first.inputs.max()) <= 255
    assert first.speed.shape == (4, 3, 99)
    assert len(torch.unique(first.driver)) == 2


def test_speed_is_that_of_the_middle_difference() -> None:
    landmarks = np.zeros((1, 8, 95, 2), np.float32)
    landmarks[0, 4:, 7] = (3.0, 4.0)  # one jump, from frame 3 to frame 4
    head = np.zeros((1, 8, 4), np.float32)
    head[0, 3:, 1] = -0.5  # from frame 2 to frame 3
    speed = position_speed(landmarks, head)
    assert speed.shape == (1, 3, 99)
    np.testing.assert_allclose(speed[0, :, 7], [0, 5, 0])
    np.testing.assert_allclose(speed[0, :, 96], [0.5, 0, 0])


def test_resuming_gives_the_same_losses_as_never_stopping(
    small_material: Material, finished: Path, tmp_path: Path
) -> None:
    source = maker(small_material)
    run = start(replace(SHORT, steps=2), 99, CPU)
    object.__setattr__(run.config, "steps", 3)  # the schedule of the whole run, stopped early
    first_two = _stop_after(run, source, tmp_path, 2)
    again = resume(tmp_path, CPU)
    assert again.step == 2
    fit(again, source, tmp_path)
    expected = [line["identity"] for line in log_of(finished)]
    assert [*first_two, log_of(tmp_path)[-1]["identity"]] == pytest.approx(expected, abs=1e-5)


def _stop_after(run: object, source: BatchMaker, out: Path, steps: int) -> list[float]:
    """Interrupt a run the way a signal would: between two steps, after a save."""

    def interrupted(step: int) -> Batch:
        if step == steps:
            raise KeyboardInterrupt
        return source(step)

    with pytest.raises(KeyboardInterrupt):
        fit(run, interrupted, out)  # type: ignore[arg-type]
    return [line["identity"] for line in log_of(out)]


def test_head_is_refined_on_stored_maps_and_the_backbone_stays(
    small_material: Material, finished: Path, tmp_path: Path
) -> None:
    earlier = resume(finished, CPU)
    network = earlier.trainee.network
    assert isinstance(network, StreamingFeatDiff)
    stored = tuple(map_batches(network, maker(small_material, 12), 2))
    run = continue_with(earlier, SHORT, keep_backbone=True)
    fit(run, MixedMaps(stored, (8, 12), 64, 0), tmp_path)
    refined = load_network(tmp_path).state_dict()
    before = network.state_dict()
    changed = {name for name in before if not torch.equal(before[name].cpu(), refined[name])}
    assert not {name for name in changed if name.startswith("backbone.")}
    assert {"first.conv.weight", "embedding.net.3.weight"} <= changed


def test_stored_maps_are_those_of_the_network(small_material: Material, finished: Path) -> None:
    network = load_network(finished)
    assert isinstance(network, StreamingFeatDiff)
    source = maker(small_material)
    stored = next(map_batches(network, source, 1))
    frames = source(0).inputs.round()
    with torch.no_grad():
        expected = network.feature_maps(frames[0])
    # Neighbours that are nearly as near may swap between two ways of computing: nearly all values must agree.
    close = torch.isclose(stored.inputs[0].float(), expected, rtol=1e-2, atol=1e-2)
    assert float(close.float().mean()) > 0.99


def test_mixtures_cut_windows_with_their_own_speeds() -> None:
    maps = torch.arange(20, dtype=torch.float16).view(1, 20, 1, 1, 1).expand(3, 20, 1, 1, 1)
    speed = torch.arange(15, dtype=torch.float32).view(1, 15, 1).expand(3, 15, 1)
    stored = Batch(maps, torch.tensor([0, 1, 2]), torch.tensor([5, 5, 5]), speed)
    mixed = MixedMaps((stored, stored), (8,), 1000, 4)(3)
    assert mixed.inputs.shape == (2 * 2 * 3, 8, 1, 1, 1)
    first = mixed.inputs[:, 0].flatten()
    torch.testing.assert_close(mixed.speed[:, 0, 0], first)
    torch.testing.assert_close(mixed.inputs[:, -1].flatten(), first + 7)
    early, late = first.view(2, 2, 3)[:, 0], first.view(2, 2, 3)[:, 1]
    assert bool((early + 8 <= late).all())
    assert mixed.driver.tolist() == [0, 1, 2] * 4
    assert MixedMaps((stored,), (15,), 1000, 4)(0).inputs.shape == (3, 15, 1, 1, 1)
    with pytest.raises(DataError, match="no stored batch"):
        MixedMaps((stored,), (21,), 1000, 4)(0)


def test_same_face_pairs_hold_what_they_say() -> None:
    driver, face = torch.tensor([0, 0, 1, 1]), torch.tensor([7, 8, 7, 8])
    anchors, positives, anchors_too, negatives = (part.tolist() for part in same_face_pairs(driver, face))
    assert set(zip(anchors, positives, strict=True)) == {(0, 1), (1, 0), (2, 3), (3, 2)}
    assert set(zip(anchors_too, negatives, strict=True)) == {(0, 2), (2, 0), (1, 3), (3, 1)}


def test_static_control_trains_on_single_frames(small_material: Material, tmp_path: Path) -> None:
    run = start(replace(SHORT, network="static"), 0, CPU)
    fit(run, maker(small_material, frames=1), tmp_path)
    assert "motion" not in log_of(tmp_path)[0]
    assert resume(tmp_path, CPU).trainee.read_out is None


def test_the_clock_can_set_the_length() -> None:
    run = start(FitConfig(minutes=2.0), 99, CPU)
    run.seconds = 60.0
    assert progress(run) == 0.5


def test_a_loss_that_is_no_number_stops_the_run_and_keeps_the_checkpoint(
    small_material: Material, finished: Path, tmp_path: Path
) -> None:
    saved = (finished / CHECKPOINT).read_bytes()
    (tmp_path / CHECKPOINT).write_bytes(saved)
    run = continue_with(resume(finished, CPU), SHORT, keep_backbone=False)

    def poisoned(step: int) -> Batch:
        batch = maker(small_material)(step)
        return replace(batch, speed=batch.speed * float("nan"))

    with pytest.raises(TrainingError, match="the loss became"):
        fit(run, poisoned, tmp_path)
    assert (tmp_path / CHECKPOINT).read_bytes() == saved


@pytest.mark.parametrize("content", [b"", b"no checkpoint", None])
def test_bad_checkpoints_are_refused(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / CHECKPOINT).write_bytes(content)
    with pytest.raises(CheckpointError):
        resume(tmp_path, CPU)


def test_a_checkpoint_of_another_model_is_refused(finished: Path, tmp_path: Path) -> None:
    state = torch.load(finished / CHECKPOINT, weights_only=True)
    state["config"]["embedding_size"] = 17
    torch.save(state, tmp_path / CHECKPOINT)
    with pytest.raises(CheckpointError, match="does not fit"):
        resume(tmp_path, CPU)
