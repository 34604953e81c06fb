"""Engines to test with: a small one with random weights, made here, and the shipped one where there is one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from numpy.typing import NDArray

from engines.errors import ModelFolderError
from engines.model_folder import read_model_folder
from engines.onnx_engine import OnnxEngine
from engines.protocol import Calibration, Engine
from engines.registry import find_model, load_engine

if TYPE_CHECKING:
    from training.models.streaming import StreamingFeatDiff

RANDOM_WINDOW_FRAMES = 16
"""Short, so that the rings go round many times in a quick test."""


@pytest.fixture(scope="session")
def random_model() -> StreamingFeatDiff:
    """The streaming network with random weights and BatchNorm statistics that are not trivial, for evaluation."""
    import torch

    from training.models.streaming import StreamingConfig, StreamingFeatDiff

    torch.set_num_threads(1)
    torch.manual_seed(7)
    model = StreamingFeatDiff(StreamingConfig(window_frames=RANDOM_WINDOW_FRAMES, embedding_size=32))
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.5, 2)
            module.weight.data.uniform_(0.5, 1.5)
            module.bias.data.normal_(0, 0.3)
    return model.eval()


@pytest.fixture(scope="session")
def random_engine_folder(random_model: StreamingFeatDiff, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That network as an exported engine folder. Do not change it; copy it."""
    from training.export import export_engine
    from training.model_card import ModelCard

    cohort = np.random.default_rng(3).normal(size=(12, 32))
    cohort /= np.linalg.norm(cohort, axis=1, keepdims=True)
    folder = tmp_path_factory.mktemp("engines") / "random"
    export_engine(
        random_model,
        folder,
        name="random",
        version="0.0",
        calibration=Calibration(slope=2.0, offset=-1.0, cohort=cohort.astype(np.float32)),
        fps_min=12,
        fps_max=35,
        card=ModelCard("Random weights, for tests.", "none", "Apache-2.0", (), "", "Recognises nobody."),
    )
    return folder


@pytest.fixture
def random_engine(random_engine_folder: Path) -> Iterator[Engine]:
    """The engine of that folder, loaded but not open."""
    engine = load_engine(str(random_engine_folder))
    yield engine
    engine.close()


@pytest.fixture
def full_precision_engine(random_engine_folder: Path) -> Iterator[Engine]:
    """The same on the graphs that every backend runs, whose head is not in 8-bit integers."""
    engine = OnnxEngine(replace(read_model_folder(random_engine_folder), for_cpu=None))
    yield engine
    engine.close()


@pytest.fixture(params=["random", "default"])
def any_engine_folder(request: pytest.FixtureRequest) -> Path:
    """Both the random engine's folder and the shipped default's; the latter is skipped where none is shipped."""
    if request.param == "default":
        try:
            return find_model("default")
        except ModelFolderError as error:
            pytest.skip(str(error))
    folder: Path = request.getfixturevalue("random_engine_folder")
    return folder


@pytest.fixture(scope="session")
def moving_clip() -> NDArray[np.uint8]:
    """96 frames of blobs that drift and breathe: uint8 (96, 128, 128). Smoother than noise, like a face."""
    generator = np.random.default_rng(11)
    rows, columns = np.mgrid[0:128, 0:128].astype(np.float64)
    image = np.full((96, 128, 128), 110.0)
    time = np.arange(96)[:, None, None]
    for _ in range(10):
        x, y, size = generator.uniform(20, 108), generator.uniform(20, 108), generator.uniform(6, 22)
        rate, phase, sway = generator.uniform(0.05, 0.5), generator.uniform(0, 6), generator.uniform(0.5, 4)
        shift = sway * np.sin(rate * time + phase)
        distance = (rows - y - shift) ** 2 + (columns - x + 0.5 * shift) ** 2
        image += generator.uniform(-70, 70) * np.exp(-distance / (2 * size**2))
    image += generator.normal(0, 2, image.shape)
    clip: NDArray[np.uint8] = np.clip(image, 0, 255).astype(np.uint8)
    return clip
