"""The backbone for CPUs gives the maps of the one that every backend runs."""

from __future__ import annotations

import numpy as np
import torch

from engines.onnx_backbone import NodeBackbone
from training.cpu_backbone import cpu_backbone
from training.models.step_graphs import step_graphs
from training.models.streaming import StreamingFeatDiff

torch.set_num_threads(1)


def test_nodes_are_the_places_of_the_same_map() -> None:
    torch.manual_seed(5)
    model = StreamingFeatDiff().train()
    with torch.no_grad():
        model.feature_maps(torch.rand(32, 128, 128) * 255)  # statistics that are worth folding
    step = step_graphs(model.eval()).backbone
    running = NodeBackbone(cpu_backbone(step).SerializeToString(), threads=1)
    random = np.random.default_rng(0)
    smooth = np.add.outer(np.arange(128), np.arange(128)).astype(np.uint8)
    for frame in (random.integers(0, 256, (128, 128), dtype=np.uint8), smooth, np.full((128, 128), 16, np.uint8)):
        expected = step(torch.from_numpy(frame)[None])[0].flatten(1).T.numpy()
        np.testing.assert_allclose(running(frame), expected, atol=1e-5)
