"""`engines.optical_flow` for whole clips: optical flow between consecutive frames, as the engine computes it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from engines.optical_flow import GRADIENT_FLOOR, MOST_MOVED_PX, UNIT_PX, window_means


@torch.no_grad()
def optical_flow(frames: Tensor) -> Tensor:
    """frames (n, T, 128, 128), 0-255, to flow since the frame before: float32 (n, T - 1, 256), laid out as there."""
    with torch.autocast(frames.device.type, enabled=False):
        pictures = nn.functional.avg_pool2d(frames.float(), 2) / 255
        change, mean = pictures[:, 1:] - pictures[:, :-1], (pictures[:, 1:] + pictures[:, :-1]) / 2
        down, across = torch.gradient(mean, dim=(2, 3))
        products = torch.stack([across * across, across * down, down * down, across * change, down * change])
        means = torch.from_numpy(window_means()).to(products)
        xx, xy, yy, xt, yt = means @ products @ means.T
        xx, yy = xx + GRADIENT_FLOOR, yy + GRADIENT_FLOOR
        moved = torch.stack([xy * yt - yy * xt, xy * xt - xx * yt], dim=2) / (xx * yy - xy * xy)[:, :, None]
        moved = (moved / UNIT_PX).clamp(-MOST_MOVED_PX / UNIT_PX, MOST_MOVED_PX / UNIT_PX).flatten(3)
        on_its_own = moved - moved.median(dim=3, keepdim=True).values
        return torch.stack([moved, on_its_own], dim=2).abs().flatten(2)
