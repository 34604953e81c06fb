"""CCC without its hard choice: every node takes over the mean of all nodes, the more of each the more it is alike.

The published CCC takes the maximum over the 4 nearest nodes (`f5c.channel_correspondence`). Which nodes are nearest
changes from frame to frame for 8 % of them, also where nothing moves, and these jumps carry 62 % of the energy of the
difference of consecutive maps (`EXPERIMENTS.md`). A softmax over all nodes lets the choice change as smoothly as the
maps do. Ours, not published.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

_TEMPERATURE = 0.05
"""Of cosines: a node 0.1 less alike counts 7 times less."""


def soft_correspondence(maps: Tensor) -> Tensor:
    """`f + relu(weighted mean of f over all nodes)`, weights: softmax of the cosines with the node.

    maps: (n, channels, height, width), any float type. Returns float32 of the same shape. As in the published form,
    how alike nodes are is not differentiated.
    """
    with torch.autocast(maps.device.type, enabled=False):
        nodes = maps.float().flatten(2).transpose(1, 2)
        with torch.no_grad():
            unit = nn.functional.normalize(nodes, dim=2)
            weight = torch.softmax(unit @ unit.transpose(1, 2) / _TEMPERATURE, dim=2)
        return (nodes + torch.relu(weight @ nodes)).transpose(1, 2).reshape(maps.shape)
