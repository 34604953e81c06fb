"""What a face expresses, as one vector: the encoder of PSM ("codegeneration")."""

from __future__ import annotations

from torch import Tensor, nn

from training.person_models.layers import ChannelAttention, ResidualBlock, activation, conv, initialise, scaled

_LAST_SIDE = 4
"""Side of the last map: 64 pixels halved four times."""


class ExpressionEncoder(nn.Module):
    """Faces (n, channels, 64, 64) to embeddings (n, 256 x width); 4,240,000 parameters at width 1 with 3 channels."""

    def __init__(self, channels: int, width: float) -> None:
        super().__init__()
        c64, c128, c256, c512 = (scaled(count, width) for count in (64, 128, 256, 512))
        self.embedding_size = c256
        self.maps = nn.Sequential(
            conv(channels, c64, size=7, stride=2), conv(c64, c64),
            conv(c64, c64), ChannelAttention(c64), conv(c64, c64),
            conv(c64, c128, stride=2), ChannelAttention(c128), conv(c128, c128), ResidualBlock(c128),
            ResidualBlock(c128),
            conv(c128, c128, stride=2), conv(c128, c128),
            conv(c128, c256, stride=2), conv(c256, c256),
            conv(c256, c256), conv(c256, c128),
        )  # fmt: skip
        self.vector = nn.Sequential(
            nn.Flatten(), nn.Linear(c128 * _LAST_SIDE**2, c512), activation(), nn.Linear(c512, c256), nn.Tanh()
        )
        initialise(self)

    def forward(self, faces: Tensor) -> Tensor:
        """Embeddings between -1 and 1."""
        embedding: Tensor = self.vector(self.maps(faces))
        return embedding
