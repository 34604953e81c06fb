"""FEAT_DIFF with the F5C block of MOL, where the block comes from (Shao et al., TPAMI 2025, as coded).

Three things differ from the block that FEAT_DIFF publishes under the same name (trap 1): no normalisation and no
activation in the stem; the earlier and the later frame of a pair go through different weights; and CCC has weights.
Its two quirks are kept: neighbours are found among the 256 positions while the linear maps treat the 128 channels as
nodes, and the node is subtracted from its neighbour twice (3.2).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from training.models.f5c import MAP_SIZE, STEM_LAYERS, FullyConnectedCircular, nearest_others
from training.models.feat_diff import PUBLISHED_TAPS, TemporalHead, standardise

_POSITIONS = MAP_SIZE * MAP_SIZE


class MolFeatDiff(nn.Module):
    """Each frame minus the one before it, through a block each, then the published temporal head.

    Since the two blocks differ, a still clip gives a constant and not zero.
    """

    def __init__(self, embedding_size: int = 256) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            *(
                nn.Conv2d(inputs, outputs, kernel, stride, padding)
                for inputs, outputs, kernel, stride, padding in STEM_LAYERS
            )
        )
        self.earlier = MolBlock()
        self.later = MolBlock()
        self.head = TemporalHead(embedding_size)

    def forward(self, frames: Tensor) -> Tensor:
        """frames: (n, T, 128, 128), 0-255, T >= 2. Returns float32 (n, embedding_size), L2-normalised."""
        # Single precision under autocast too, as F5C: the differences are small beside the maps.
        with torch.autocast(frames.device.type, enabled=False):
            maps = [self.stem(step[:, None]) for step in standardise(frames).unbind(1)]
            pairs = zip(maps[1:], maps[:-1], strict=True)
            differences = torch.stack([self.later(later) - self.earlier(earlier) for later, earlier in pairs], dim=-1)
        embedding: Tensor = self.head(differences)
        return embedding


class MolBlock(nn.Module):
    """FCC and CCC of one side of the pair: (n, 128, 16, 16) to the same shape."""

    def __init__(self) -> None:
        super().__init__()
        self.fcc = FullyConnectedCircular(PUBLISHED_TAPS)
        self.ccc = EdgeCorrespondence()

    def forward(self, maps: Tensor) -> Tensor:
        maps = self.fcc(maps)
        out: Tensor = maps + self.ccc(maps)
        return out


class EdgeCorrespondence(nn.Module):
    """CCC with weights: the maximum over 4 edges of `relu(node(f) + edge(neighbour - 2 f))`, for each channel f.

    Edge j of a channel holds, for every position, the channel's value at that position's j-th nearest position; each
    position is its own nearest. The order of neighbours matters here, since the linear maps mix positions.
    """

    def __init__(self) -> None:
        super().__init__()
        self.node = nn.Linear(_POSITIONS, _POSITIONS)
        self.edge = nn.Linear(_POSITIONS, _POSITIONS)

    def forward(self, maps: Tensor) -> Tensor:
        channels = maps.flatten(2)
        positions = channels.transpose(1, 2).contiguous()
        own = self.node(channels)
        strongest = own + self.edge(-channels)
        for neighbour in nearest_others(positions.detach()):
            found = nn.functional.embedding(neighbour, positions.flatten(0, 1)).reshape(positions.shape)
            strongest = torch.maximum(strongest, own + self.edge(found.transpose(1, 2) - 2 * channels))
        return torch.relu(strongest).reshape(maps.shape)
