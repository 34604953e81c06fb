"""The network that ships: FEAT_DIFF so that every frame is computed once (network: arXiv 2604.23247, as released).

What differs from the published network, and why:
- Pixels are normalised with two fixed numbers instead of the clip's own mean and deviation, which would depend on
  frames to come.
- The two temporal convolutions do not pad time, so a position's value does not depend on where the window begins:
  T frames give T - 1 differences and T - 5 positions, and the engine computes one new position per frame.
- A window is told by the mean of each value and by its variance over time, so that the embedding sees how much it
  scatters, and both go in as logarithms. Speeds spread over two decades and a stronger contrast multiplies them all;
  a plain mean is ruled by the head's movement and hides the small, bursty ones of lids and lips.
- CCC weighs all nodes by likeness instead of choosing four (`soft_correspondence`): choices that flip between frames
  look like motion.
- Maps are divided by their local gradient (`normal_flow`) before they are subtracted, so that a difference tells how
  fast an edge moved and not how strong it is.
- A residual convolution looks at each difference by itself before any are taken together, and one more at each slice
  after each temporal convolution. A difference has a sign, a speed has none: between the two must be more layers than
  the published two, and those see several frames at once. In 538 steps that explains twice as much of the speeds of
  unseen drivers by an unseen generator (`EXPERIMENTS.md`).
- Beside what is learnt a position holds optical flow between its two newest frames, by a classical method
  (`optical_flow`): after a short schedule drivers are told apart better by that than by what the network reads, and
  best by both (`EXPERIMENTS.md`).
- No parameter is stored that never acts.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from engines.optical_flow import FLOW_SIZE
from training.models.f5c import F5C, FEATURE_CHANNELS
from training.models.normal_flow import per_gradient
from training.models.optical_flow import optical_flow
from training.models.soft_correspondence import soft_correspondence

TEMPORAL_TAPS = 3
TEMPORAL_MARGIN = 5
"""Frames of context that one position takes beyond its first: one for the difference, two for each convolution."""

POOLED_SIZE = 512
"""Length of the pooled vector of one position: 32 channels on a 4x4 grid."""

POSITION_SIZE = POOLED_SIZE + FLOW_SIZE
"""Length of one position: the pooled vector, then the flow of its newest frame."""

MOMENTS_SIZE = 2 * POSITION_SIZE
"""Length of what a window is told by: the mean of each value and its variance over time."""

_LOG_FLOOR = 0.05
"""What is added before a logarithm. Pooled values of a moving face are about as large or larger; with 0.02 two
libraries' roundings move an embedding by more than 2e-4, and drivers are told apart no better."""


@dataclass(frozen=True, slots=True)
class StreamingConfig:
    """What fixes the network's shape and its input; stored beside the weights.

    pixel_mean and pixel_std apply to full-range luma / 255. Their defaults are round numbers near those of face crops.
    """

    window_frames: int = 64
    embedding_size: int = 256
    pixel_mean: float = 0.45
    pixel_std: float = 0.25

    def __post_init__(self) -> None:
        if self.window_frames <= TEMPORAL_MARGIN:
            raise ValueError(f"window_frames must exceed {TEMPORAL_MARGIN}, got {self.window_frames}")
        if self.embedding_size < 1 or self.pixel_std <= 0:
            raise ValueError(f"embedding_size >= 1 and pixel_std > 0 are needed, got {self}")


class TemporalConvolution(nn.Module):
    """Convolution over 3 consecutive slices, 3x3 in space with stride (1, 2), then BatchNorm and ReLU.

    The weights are those of one 2-D convolution over three slices stacked in time order, which is what the engine runs
    for each new frame. On a whole sequence the taps become output channels of a single 2-D convolution per slice and
    are added up at their offsets: the same sum as a 3-D convolution, on the kernels that GPUs are best at.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(TEMPORAL_TAPS * inputs, outputs, 3, stride=(1, 2), padding=1)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, slices: Tensor) -> Tensor:
        """(n, time, inputs, h, w) to (n, time - 2, outputs, h, w / 2)."""
        clips, length = slices.shape[:2]
        outputs, _, *kernel = self.conv.weight.shape
        taps = self.conv.weight.reshape(outputs, TEMPORAL_TAPS, -1, *kernel).transpose(0, 1).flatten(0, 1)
        parts = nn.functional.conv2d(slices.flatten(0, 1), taps, stride=(1, 2), padding=1)
        parts = parts.reshape(clips, length, TEMPORAL_TAPS, outputs, *parts.shape[2:])
        count = length - TEMPORAL_TAPS + 1
        total = parts[:, :count, 0] + parts[:, 1 : count + 1, 1] + parts[:, 2:, 2]
        if self.conv.bias is not None:
            total = total + self.conv.bias[:, None, None]
        return torch.relu(self.norm(total.flatten(0, 1))).reshape(total.shape)

    def step(self, stacked: Tensor) -> Tensor:
        """Three slices stacked on the channels, oldest first, (n, 3 * inputs, h, w), to the one they complete."""
        return torch.relu(self.norm(self.conv(stacked)))


class ResidualConvolution(nn.Module):
    """Adds to its input what a convolution, BatchNorm and ReLU make of it (He et al., 2016); maps of any size."""

    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, kernel, padding=kernel // 2)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, maps: Tensor) -> Tensor:
        """(n, channels, h, w) to the same shape."""
        return maps + torch.relu(self.norm(self.conv(maps)))


class LogMoments(nn.Module):
    """Mean and variance of non-negative values, (n, 2 k), to logarithms of mean and deviation, (n, 2 k).

    Smooth down to 0, where a plain logarithm of the deviation would make much of the last digits of two libraries.
    """

    def forward(self, moments: Tensor) -> Tensor:
        mean, variance = moments.chunk(2, dim=1)
        deviation = torch.log(variance + _LOG_FLOOR**2) / 2
        return torch.cat([torch.log(mean + _LOG_FLOOR), deviation], dim=1)


class EmbeddingLayers(nn.Module):
    """The moments of a window's positions, (n, 2 position_size), to an L2-normalised embedding (n, embedding_size).

    Linear in the logarithms, so that it can be found in closed form (`training.discriminant`) as well as be trained.
    """

    def __init__(self, config: StreamingConfig, position_size: int = POSITION_SIZE) -> None:
        super().__init__()
        self.logarithms = LogMoments()
        self.norm = nn.BatchNorm1d(2 * position_size, affine=False)
        self.directions = nn.Linear(2 * position_size, config.embedding_size, bias=False)

    def forward(self, moments: Tensor) -> Tensor:
        with torch.autocast(moments.device.type, enabled=False):
            return nn.functional.normalize(self.project(moments.float()), dim=1)

    def project(self, moments: Tensor) -> Tensor:
        """The embedding before it is brought to length 1."""
        projected: Tensor = self.directions(self.norm(self.logarithms(moments)))
        return projected


@dataclass(frozen=True, slots=True)
class Positions:
    """What is kept of clips: values float (n, T - 5, 768), valid bool (n, T - 5)."""

    values: Tensor
    valid: Tensor

    def moments(self) -> Tensor:
        """Mean and variance over the valid positions of each clip, (n, 1536); zeros where a clip has none."""
        weight = self.valid[..., None].to(self.values.dtype)
        count = weight.sum(1).clamp(min=1)
        mean = (self.values * weight).sum(1) / count
        variance = ((self.values - mean[:, None]).square() * weight).sum(1) / count
        return torch.cat([mean, variance], dim=1)


class StreamingFeatDiff(nn.Module):
    """Clips to embeddings, all frames of a batch through the backbone at once; safe under bf16 autocast."""

    def __init__(self, config: StreamingConfig | None = None) -> None:
        super().__init__()
        self.config = config or StreamingConfig()
        self.backbone = F5C(correspondence=soft_correspondence)
        self.each = ResidualConvolution(FEATURE_CHANNELS, 1)
        self.first = TemporalConvolution(FEATURE_CHANNELS, 64)
        self.first_again = ResidualConvolution(64, 3)
        self.second = TemporalConvolution(64, 32)
        self.second_again = ResidualConvolution(32, 3)
        self.embedding = EmbeddingLayers(self.config)

    def forward(self, frames: Tensor, continues: Tensor | None = None) -> Tensor:
        """Embed whole clips.

        frames: (n, T, 128, 128), full-range luma 0-255, uint8 or float, any T >= 6.
        continues: bool (n, T), False where a break lies before the frame (the first is ignored); None = no breaks.
        Positions that see a break are left out, as the engine does.
        Returns float32 (n, embedding_size), L2-normalised. Raises ValueError for fewer than 6 frames.
        """
        embedding: Tensor = self.embedding(self.embed_positions(frames, continues).moments())
        return embedding

    def embed_positions(self, frames: Tensor, continues: Tensor | None = None) -> Positions:
        """Every position and whether it counts; arguments as in `forward`."""
        clips, length = frames.shape[:2]
        if length <= TEMPORAL_MARGIN:
            raise ValueError(f"a clip needs at least {TEMPORAL_MARGIN + 1} frames, got {length}")
        maps = self.feature_maps(frames.flatten(0, 1))
        maps = maps.reshape(clips, length, *maps.shape[1:])
        slices = _by_slice(self.each, maps[:, 1:] - maps[:, :-1])
        slices = _by_slice(self.first_again, self.first(slices))
        slices = _by_slice(self.second_again, self.second(slices))
        pooled = pool_slices(slices.flatten(0, 1)).float().reshape(clips, length - TEMPORAL_MARGIN, POOLED_SIZE)
        values = torch.cat([pooled, optical_flow(frames)[:, TEMPORAL_MARGIN - 1 :]], dim=2)
        if continues is None:
            return Positions(values, torch.ones(values.shape[:2], dtype=torch.bool, device=values.device))
        return Positions(values, continues[:, 1:].unfold(1, TEMPORAL_MARGIN, 1).all(2))

    def feature_maps(self, frames: Tensor) -> Tensor:
        """Frames (n, 128, 128), 0-255, to float32 maps (n, 128, 16, 16)."""
        luma = (frames.float() / 255 - self.config.pixel_mean) / self.config.pixel_std
        with torch.autocast(frames.device.type, enabled=False):
            return per_gradient(self.backbone(luma[:, None]))


def _by_slice(layer: ResidualConvolution, slices: Tensor) -> Tensor:
    """A layer on every slice of (n, time, channels, h, w), which keeps its shape."""
    out: Tensor = layer(slices.flatten(0, 1))
    return out.reshape(slices.shape)


def pool_slices(slices: Tensor) -> Tensor:
    """Means on a 4x4 grid, (n, 32, 16, 4) to (n, 512)."""
    return nn.functional.adaptive_avg_pool2d(slices, 4).flatten(1)
