"""Clips to embeddings, through the exported engine frame by frame as the guard does, or through a torch network."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from engines.protocol import Engine
from training.errors import CheckpointError
from training.models.landmark_net import LandmarkNet

Embed = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""Clips uint8 (n, T, 128, 128) to embeddings float32 (n, D), one for each clip's last frame."""


def through_engine(engine: Engine) -> Embed:
    """Streams every clip through a slot of its own and takes what stands there after the last frame."""

    def embed(clips: NDArray[np.uint8]) -> NDArray[np.float32]:
        engine.open(len(clips))
        slots = np.arange(len(clips), dtype=np.int32)
        continues = np.ones(len(clips), np.bool_)
        for frame in range(clips.shape[1]):
            result = engine.step(slots, np.ascontiguousarray(clips[:, frame]), continues)
        return result.embeddings

    return embed


def through_network(network: nn.Module) -> Embed:
    """The network on whole clips, in evaluation mode. Raises CheckpointError for the one that reads landmarks."""
    if isinstance(network, LandmarkNet):
        raise CheckpointError("the landmark baseline reads landmarks, and clips of frames hold none")
    network.eval()
    device = next(network.parameters()).device

    @torch.no_grad()
    def embed(clips: NDArray[np.uint8]) -> NDArray[np.float32]:
        embeddings: NDArray[np.float32] = network(torch.from_numpy(clips).to(device)).float().cpu().numpy()
        return embeddings

    return embed


def shuffled_in_time(embed: Embed, seed: int = 0) -> Embed:
    """The same with the frames of every clip in random order: what is left then is not motion."""

    def embed_shuffled(clips: NDArray[np.uint8]) -> NDArray[np.float32]:
        order = np.random.default_rng(seed).permutation(clips.shape[1])
        return embed(np.ascontiguousarray(clips[:, order]))

    return embed_shuffled
