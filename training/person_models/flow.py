"""From an embedding to the flow that makes a face neutral, and what is done with such flows (PSM, "exptoflow").

A flow is (n, 2, H, W), x then y, in the units of `grid_sample`: a picture reaches from -1 to 1. What lies outside of a
picture repeats its edge (our choice; the source does not say).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.person_models.layers import ChannelAttention, ResidualBlock, conv, initialise, scaled

FLOW_SIDE = 16
_FIRST_SIDE = 4
_LAST_DEVIATION = 0.05


class FlowDecoder(nn.Module):
    """Embeddings (n, 256 x width) to flows (n, 2, 16, 16); 2,996,544 parameters at width 1."""

    def __init__(self, width: float) -> None:
        super().__init__()
        c64, c128, c256 = (scaled(count, width) for count in (64, 128, 256))
        last = nn.Conv2d(c64, 2, 1, bias=False)
        self.layers = nn.Sequential(
            nn.Conv2d(c256, c256 * _FIRST_SIDE**2, 1), nn.PixelShuffle(_FIRST_SIDE), ChannelAttention(c256),
            conv(c256, c256),
            _doubled(), conv(c256, c128), ChannelAttention(c128), conv(c128, c128), ResidualBlock(c128),
            ResidualBlock(c128),
            _doubled(), conv(c128, c64), last, nn.Tanh(),
        )  # fmt: skip
        initialise(self)
        nn.init.normal_(last.weight, 0, _LAST_DEVIATION)

    def forward(self, embedding: Tensor) -> Tensor:
        """The way to the neutral face."""
        flow: Tensor = self.layers(embedding[:, :, None, None])
        return flow


def _doubled() -> nn.Module:
    return nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)


def warped(pictures: Tensor, flow: Tensor) -> Tensor:
    """Pictures (n, C, H, W) looked up at the places that a flow points to; the flow is brought to their size first."""
    height, width = pictures.shape[-2:]
    flow = flow.float()  # half precision under autocast would round places to an eighth of a pixel
    if flow.shape[-2:] != (height, width):
        flow = functional.interpolate(flow, size=(height, width), mode="bilinear", align_corners=False)
    x, y = (2 * torch.arange(side, device=flow.device) + 1 for side in (width, height))
    here = torch.stack(torch.meshgrid(x / width - 1, y / height - 1, indexing="xy"), dim=-1)
    return functional.grid_sample(
        pictures.float(), here + flow.permute(0, 2, 3, 1), mode="bilinear", padding_mode="border", align_corners=False
    )


def inverse(flow: Tensor) -> Tensor:
    """The way back: the flow looked up where it points to, held within -1 and 1, and turned round."""
    return -warped(flow, flow).clamp(-1, 1)
