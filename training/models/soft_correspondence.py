"""CCC without its hard choice: every node takes over the mean of all nodes, the more of each the more it is alike.

The published CCC takes the maximum over the 4 nearest nodes (`f5c.channel_correspondence`). Which nodes are nearest
changes from frame to frame for 8 % of them, also where nothing moves, and these jumps carry 62 % of the energy of the
difference of consecutive maps (`EXPERIMENTS.md`). A softmax over all nodes lets the choice change as smoothly as the
maps do. Ours, not published.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

TEMPERATURE = 0.05
"""Of cosines: a node 0.1 less alike counts 7 times less."""


def soft_correspondence(maps: Tensor) -> Tensor:
    """`f + relu(weighted mean of f over all nodes)`, weights: softmax of the cosines with the node.

    maps: float32 (n, channels, height, width); returns the same shape. As in the published form, how alike nodes are
    is not differentiated. Not for autocast: half the precision would drown the differences of consecutive maps.
    """
    nodes = maps.flatten(2).transpose(1, 2)
    unit = nn.functional.normalize(nodes.detach(), dim=2)
    weight = torch.softmax(unit @ unit.transpose(1, 2) / TEMPERATURE, dim=2)
    return (nodes + torch.relu(weight @ nodes)).transpose(1, 2).reshape(maps.shape)
