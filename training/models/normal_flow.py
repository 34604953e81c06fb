"""Maps whose differences tell how fast an edge moved, however strong the edge is.

The difference of two consecutive maps is motion times gradient: a soft edge that moves fast and a sharp one that moves
slowly look alike. Optical flow divides by the gradient (normal flow; Horn & Schunck, 1981, equation 2), and so do these
maps: each place is divided by how steep the map is around it, over all channels, before anything is subtracted.
A still picture still has no difference. Ours, not published.
"""

from __future__ import annotations

from torch import Tensor, nn

GRADIENT_FLOOR = 0.05
"""Squared gradient, summed over both axes and averaged over channels, below which a place counts as flat. Nine tenths
of a trained network's places have 2 to 12."""


def per_gradient(maps: Tensor) -> Tensor:
    """Maps divided by the root of their mean squared gradient around each place (3x3): float32 (n, c, h, w), as given.

    Not for autocast, as `soft_correspondence`.
    """
    across = nn.functional.pad((maps[..., 1:] - maps[..., :-1]).square().mean(1, keepdim=True), (0, 1))
    down = nn.functional.pad((maps[..., 1:, :] - maps[..., :-1, :]).square().mean(1, keepdim=True), (0, 0, 0, 1))
    energy = nn.functional.avg_pool2d(across + down, 3, stride=1, padding=1, count_include_pad=False)
    return maps * (energy + GRADIENT_FLOOR).rsqrt()
