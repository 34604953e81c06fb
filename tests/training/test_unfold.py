"""An engine's graphs become the network again that they were folded from, ready to learn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from engines.protocol import Calibration
from training import unfold
from training.errors import CheckpointError
from training.export import export_engine
from training.fit import resume, save
from training.model_card import ModelCard
from training.models.streaming import StreamingConfig, StreamingFeatDiff
from training.unfold import unfolded_run

torch.set_num_threads(1)

CARD = ModelCard("A test.", "Procedural drivers.", "Apache-2.0", (), "Not evaluated.", "Recognises nobody.")


def clips(seed: int) -> Tensor:
    """Smooth pictures that move, (2, 12, 128, 128)."""
    random = torch.Generator().manual_seed(seed)
    still = nn.functional.interpolate(torch.rand(2, 1, 20, 20, generator=random), 160, mode="bicubic")[:, 0]
    return torch.stack([still[:, t : t + 128, t : t + 128] for t in range(12)], 1).clamp(0, 1) * 255


def export(folder: Path, pixel_std: float = 0.25) -> StreamingFeatDiff:
    """A network whose norms are not trivial, as an engine; the last convolution's bias folds to exactly 0."""
    torch.manual_seed(5)
    model = StreamingFeatDiff(StreamingConfig(pixel_std=pixel_std)).train()
    with torch.no_grad():
        for seed in range(20):
            model(clips(seed))
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.weight.data.uniform_(0.5, 1.5)
            module.bias.data.normal_(0, 0.3)
    last = model.second
    assert last.conv.bias is not None
    last.norm.load_state_dict(
        {**last.norm.state_dict(), "running_mean": last.conv.bias.detach(), "bias": torch.zeros(len(last.conv.bias))}
    )
    cohort = np.eye(5, 256, dtype=np.float32)
    names = {"name": "trial", "version": "1.2"}
    export_engine(model, folder, **names, calibration=Calibration(1, 0, cohort), fps_min=12, fps_max=35, card=CARD)
    return model.eval()


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, StreamingFeatDiff]:
    folder = tmp_path_factory.mktemp("engine") / "trial"
    return folder, export(folder)


def test_it_computes_what_the_engine_computed(
    engine: tuple[Path, StreamingFeatDiff], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder, model = engine
    caplog.set_level("WARNING", "training")
    save(unfolded_run(folder, [clips(100), clips(101)], speeds=7), tmp_path)
    run = resume(tmp_path, torch.device("cpu"))
    own = run.streaming().eval()
    with torch.no_grad():
        found, wanted = (network.embed_positions(clips(200)).values for network in (own, model))
    torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-4)
    assert not caplog.messages
    assert run.stages()[0].engine == "trial 1.2"


def test_its_norms_have_the_statistics_of_the_clips(engine: tuple[Path, StreamingFeatDiff]) -> None:
    """In training, too, it begins with what the engine computed: norms then take the batch's own statistics."""
    own = unfolded_run(engine[0], [clips(100)], speeds=7).streaming()
    own.embedding.eval()
    with torch.no_grad():
        evaluated = own.eval().embed_positions(clips(100)).values
        trained = own.train().embed_positions(clips(100)).values
    torch.testing.assert_close(trained, evaluated, rtol=1e-2, atol=1e-2)


def test_a_layer_that_an_engine_lacks_begins_small_and_learns(
    engine: tuple[Path, StreamingFeatDiff], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    present = unfold._weights
    monkeypatch.setattr(
        unfold,
        "_weights",
        lambda graph: {
            name: value
            for name, value in present(graph).items()
            if not name.startswith(("each", "first_again", "second_again"))
        },
    )
    own = unfolded_run(engine[0], [clips(100)], speeds=7).streaming().train()
    assert len([text for text in caplog.messages if "of an earlier design, without" in text]) == 3
    first = torch.relu(torch.randn(4, 64, 16, 8))
    with torch.no_grad():
        added = own.eval().first_again(first) - first
    assert 0 < float(added.norm()) < 0.3 * float(first.norm())
    torch.autograd.backward(own.train().embed_positions(clips(100)).values.sum())
    gradient = own.first_again.conv.weight.grad
    assert gradient is not None
    assert float(gradient.norm()) > 0


def test_an_engine_of_another_design_is_told_from_its_maps(
    engine: tuple[Path, StreamingFeatDiff], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    present = StreamingFeatDiff.feature_maps
    monkeypatch.setattr(StreamingFeatDiff, "feature_maps", lambda self, frames: 1.2 * present(self, frames))
    unfolded_run(engine[0], [clips(100)], speeds=7)
    assert "of another design: with its weights this network's maps differ by 20 %" in caplog.text


def test_an_engine_with_another_range_of_pixels_is_refused(tmp_path: Path) -> None:
    export(tmp_path / "other", pixel_std=0.3)
    with pytest.raises(CheckpointError, match=r"mean 0.45 and deviation 0.3; runs learn with 0.45 and 0.25"):
        unfolded_run(tmp_path / "other", [clips(0)], 7)


def test_what_is_no_engine_of_this_network_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no such engine folder"):
        unfolded_run(tmp_path / "nothing", [clips(0)], 7)
