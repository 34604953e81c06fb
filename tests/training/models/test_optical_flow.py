"""Training's optical flow is the one that an engine measures."""

from __future__ import annotations

import numpy as np
import torch

from engines.optical_flow import FLOW_SIZE, FlowHistory
from training.models.optical_flow import optical_flow


def test_clips_have_the_flow_that_streams_have() -> None:
    """Blobs that wander and brighten, and one frame of noise."""
    random = np.random.default_rng(1)
    y, x = np.mgrid[:128, :128]
    clips = np.empty((2, 6, 128, 128), np.uint8)
    for frame in clips.reshape(-1, 128, 128):
        left, top, width = random.normal([60, 64, 24], [1, 1, 2])
        frame[:] = 20 + 200 * np.exp(-(((x - left) ** 2 + (y - top) ** 2) / (2 * width**2)))
    clips[0, 3] = random.integers(0, 256, (128, 128))
    history = FlowHistory(2)
    live = [[history.push_frame(slot, frame, n > 0) for n, frame in enumerate(clip)] for slot, clip in enumerate(clips)]
    found = optical_flow(torch.from_numpy(clips))
    assert found.shape == (2, 5, FLOW_SIZE)
    assert found.mean() > 0.1
    np.testing.assert_allclose(found.numpy(), np.array(live)[:, 1:], atol=2e-5)
