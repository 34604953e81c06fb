"""The trainer on procedural drivers alone: it runs, learns, resumes exactly, and refuses what does not fit."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from training.data.batches import Batch, BatchMaker, position_speed, speed_scale
from training.data.channel import ChannelRange
from training.data.material import Material, renderer
from training.data.sampler import CrossedSampler
from training.data.stored import StoredClips, stored_positions
from training.discriminant import discriminant
from training.errors import CheckpointError, TrainingError
from training.fit import (
    CHECKPOINT,
    FitConfig,
    continue_with,
    fit,
    load_network,
    load_static,
    progress,
    resume,
    save,
    start,
    training_length,
    with_new_embedding,
)
from training.models.static import StaticNet
from training.models.streaming import POSITION_SIZE, TEMPORAL_MARGIN, StreamingFeatDiff
from training.run_log import LOG, TrainingLength

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


def test_a_run_tells_how_long_it_was_trained_from_its_log_or_its_checkpoint(finished: Path, tmp_path: Path) -> None:
    line = log_of(finished)[0]
    assert training_length(finished) == TrainingLength(3, round(line["clips"] * line["frames"]))
    (tmp_path / CHECKPOINT).write_bytes((finished / CHECKPOINT).read_bytes())
    assert training_length(tmp_path) == TrainingLength(3, None)
    (tmp_path / LOG).write_text("{}\n")
    with pytest.raises(CheckpointError, match="no log of this trainer"):
        training_length(tmp_path)


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


def test_resuming_gives_the_same_weights_and_log_as_never_stopping(
    small_material: Material, finished: Path, tmp_path: Path
) -> None:
    source = maker(small_material)
    stopped = _stop_after(start(replace(SHORT, save_every_steps=1), 99, CPU), source, tmp_path, 2)
    with (tmp_path / LOG).open("a") as log:
        log.write('{"step": 3, "identity": 7.0}\n{"step": 4, "iden')  # written after the checkpoint, cut by a kill
    again = resume(tmp_path, CPU)
    assert again.step == 2
    fit(again, source, tmp_path)
    expected = resume(finished, CPU).trainee.state_dict()
    for name, value in again.trainee.state_dict().items():
        torch.testing.assert_close(value, expected[name], rtol=0, atol=0, msg=name)
    identity = [line["identity"] for line in log_of(tmp_path)]
    assert identity == [line["identity"] for line in log_of(finished)]
    assert identity[:2] == stopped


def _stop_after(run: object, source: BatchMaker, out: Path, steps: int) -> list[float]:
    """Interrupt a run the way a signal would: between two steps, after a save."""

    def interrupted(step: int) -> Batch:
        if step == steps:
            raise KeyboardInterrupt
        return source(step)

    with pytest.raises(KeyboardInterrupt):
        fit(run, interrupted, out)  # type: ignore[arg-type]
    return [line["identity"] for line in log_of(out)]


def test_the_embedding_is_refined_on_stored_positions_and_the_rest_stays(
    small_material: Material, finished: Path, tmp_path: Path
) -> None:
    earlier = resume(finished, CPU)
    network = earlier.trainee.network
    assert isinstance(network, StreamingFeatDiff)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    batch = maker(small_material, 12)(0)
    frames = batch.inputs.round().to(torch.uint8).numpy()
    clips = StoredClips(
        frames, batch.speed.half().numpy(), batch.driver.numpy(), batch.face.numpy(), batch.landmarks.half().numpy()
    )
    positions = stored_positions(network, clips, ChannelRange(), seed=0)
    assert positions.inputs.shape == (4, 12 - TEMPORAL_MARGIN, POSITION_SIZE)
    run = with_new_embedding(earlier, 24)
    discriminant((positions,), (3, 7), run.streaming().embedding)
    save(run, tmp_path)
    refined = load_network(tmp_path)
    state = refined.state_dict()
    kept = {
        name for name in before if before[name].shape == state[name].shape and torch.equal(before[name], state[name])
    }
    assert all(name in kept for name in before if not name.startswith("embedding."))
    embedding = refined(torch.from_numpy(frames))
    torch.testing.assert_close(embedding.norm(dim=1), torch.ones(4))


def test_motion_alone_leaves_identity_out(small_material: Material, tmp_path: Path) -> None:
    run = start(replace(SHORT, steps=1, identity_weight=0.0), 99, CPU)
    fit(run, maker(small_material), tmp_path)
    assert set(log_of(tmp_path)[0]) == {"step", "seconds", "clips", "frames", "rate", "motion"}


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
    run = continue_with(resume(finished, CPU), SHORT)

    def poisoned(step: int) -> Batch:
        batch = maker(small_material)(step)
        return replace(batch, speed=batch.speed * float("nan"))

    with pytest.raises(TrainingError, match=r"the loss became .* begin another run with its weights \(fit --begin\)"):
        fit(run, poisoned, tmp_path)
    assert (tmp_path / CHECKPOINT).read_bytes() == saved


def test_curves_go_to_tensorboard(finished: Path) -> None:
    events = EventAccumulator(str(finished)).Reload()
    assert [point.step for point in events.Scalars("identity")] == [1, 2, 3]
    assert [round(point.value, 4) for point in events.Scalars("motion")] == [
        round(line["motion"], 4) for line in log_of(finished)
    ]


def test_bf16_reaches_the_head_and_keeps_weights_in_single_precision(small_material: Material, tmp_path: Path) -> None:
    run = start(replace(SHORT, steps=1, precision="bf16"), 99, CPU)
    seen: list[torch.dtype] = []
    assert run.trainee.read_out is not None
    run.trainee.read_out.register_forward_hook(lambda *call: seen.append(call[2].dtype))
    fit(run, maker(small_material), tmp_path)
    assert set(seen) == {torch.bfloat16}
    assert {value.dtype for value in run.trainee.parameters()} == {torch.float32}
    assert np.isfinite(log_of(tmp_path)[0]["identity"])


def test_only_static_passes_for_the_control_static(finished: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="--network static"):
        load_static(finished)
    save(start(replace(SHORT, network="static"), 0, CPU), tmp_path)
    assert isinstance(load_static(tmp_path), StaticNet)


def test_networks_without_read_out_are_not_refined_or_exported(tmp_path: Path) -> None:
    run = start(replace(SHORT, network="pixel_diff"), 99, CPU)
    with pytest.raises(CheckpointError, match="'pixel_diff'; only a run of 'streaming'"):
        with_new_embedding(run, 24)


@pytest.mark.parametrize("content", [b"", b"no checkpoint", None])
def test_bad_checkpoints_are_refused(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / CHECKPOINT).write_bytes(content)
    with pytest.raises(CheckpointError):
        resume(tmp_path, CPU)


def test_a_checkpoint_of_another_model_is_refused(finished: Path, tmp_path: Path) -> None:
    state = torch.load(finished / CHECKPOINT, weights_only=True)
    for changed in ({"embedding_size": 17}, {"network": "feat_diff"}, {"network": "of another time"}):
        torch.save({**state, "config": {**state["config"], **changed}}, tmp_path / CHECKPOINT)
        with pytest.raises(CheckpointError, match="does not fit"):
            resume(tmp_path, CPU)
