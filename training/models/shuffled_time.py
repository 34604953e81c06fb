"""Shuffled time: the control whose clips hold every frame and no motion, since their order is random."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from training.models.streaming import StreamingConfig, StreamingFeatDiff

_SEED = 20_604


class ShuffledTime(nn.Module):
    """The streaming network, trained and measured on clips whose frames come in random order.

    What it still tells apart is not motion: faces, poses, how far apart frames lie. In training every clip gets a new
    order at every step, from torch's own generator; in evaluation a clip of a given length always gets the same one.
    """

    def __init__(self, config: StreamingConfig | None = None) -> None:
        super().__init__()
        self.network = StreamingFeatDiff(config)

    def forward(self, frames: Tensor) -> Tensor:
        """As `StreamingFeatDiff`: (n, T, 128, 128), 0-255, T >= 6, to float32 (n, embedding_size), L2-normalised."""
        generator = None if self.training else torch.Generator().manual_seed(_SEED)
        embedding: Tensor = self.network(shuffle_time(frames, generator))
        return embedding


def shuffle_time(clips: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Clips (n, T, ...) with the same steps, those of each clip in a random order of its own.

    generator: on the CPU, whatever device the clips are on; None = torch's own.
    """
    count, length = clips.shape[:2]
    order = torch.rand(count, length, generator=generator).argsort(dim=1).to(clips.device)
    return clips[torch.arange(count, device=clips.device)[:, None], order]
