"""What a call does to a face before the guard sees it, cheap enough to apply to every training clip.

Camera gain and gamma with a little flicker, low resolution, sensor noise, predictive coding at a coarse step, and
frames that arrive twice. Constant over a clip unless it is noise or flicker, since that is how cameras and links are.
The codec is a closed loop like VP8's: each frame is coded as the quantised 4x4-DCT difference to the frame the receiver
already has, with a dead zone; that makes still areas freeze and motion arrive late, which is what hurts differences.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

_BLOCK = 4


@dataclass(frozen=True, slots=True)
class ChannelRange:
    """How bad it gets; each clip draws uniformly up to these. Grey levels are of 0-255.

    Noise and coding are set by measurement: lips move 0.1 pixel a frame in the median, so what matters is how much of
    the frame-to-frame difference survives. VP8 at 300-500 kbit/s and 640x360 leaves a correlation of 0.93-0.96 with the
    difference that was sent; a coding step of 12 leaves 0.91 at worst, noise of 2 leaves 0.89.
    """

    contrast: float = 0.3
    brightness: float = 25.0
    gamma: float = 0.25
    flicker: float = 0.004
    shrink: float = 2.0
    noise: float = 1.5
    coding_step: float = 12.0
    repeat_probability: float = 0.04
    clean_share: float = 0.25
    """Share of clips that skip shrink, noise and coding, each by its own draw."""


def pass_through_call(frames: Tensor, generator: torch.Generator, limits: ChannelRange | None = None) -> Tensor:
    """Degrade clips as a call would. frames: float (B, T, H, W), 0-255 full-range luma; returns the same shape.

    `generator` lives on the frames' device; the same state gives the same result. H and W must be divisible by 4.
    """
    limits = limits or ChannelRange()
    frames = _camera(frames, generator, limits)
    frames = _shrink(frames, generator, limits)
    frames = _noise(frames, generator, limits)
    frames = _predictive_coding(frames.clamp(0, 255), generator, limits)
    return _repeat_frames(frames, generator, limits).clamp(0, 255)


def _draw(frames: Tensor, generator: torch.Generator, low: float, high: float) -> Tensor:
    """One number per clip, float (B, 1, 1, 1)."""
    drawn = torch.rand(frames.shape[0], generator=generator, device=frames.device)
    return (low + (high - low) * drawn).view(-1, 1, 1, 1)


def _strength(frames: Tensor, generator: torch.Generator, limits: ChannelRange) -> Tensor:
    """Per clip a strength in 0..1, exactly 0 for the clean share."""
    clean = _draw(frames, generator, 0, 1) < limits.clean_share
    return _draw(frames, generator, 0, 1).masked_fill(clean, 0.0)


def _camera(frames: Tensor, generator: torch.Generator, limits: ChannelRange) -> Tensor:
    gamma = _draw(frames, generator, -limits.gamma, limits.gamma).exp()
    contrast = 1 + _draw(frames, generator, -limits.contrast, limits.contrast)
    brightness = _draw(frames, generator, -limits.brightness, limits.brightness)
    shape = (frames.shape[0], frames.shape[1], 1, 1)
    flicker = 1 + limits.flicker * torch.randn(shape, generator=generator, device=frames.device) * _draw(
        frames, generator, 0, 1
    )
    curved = 255 * (frames / 255).clamp(1e-4, 1).pow(gamma)
    return ((curved - 128) * contrast + 128 + brightness) * flicker


def _shrink(frames: Tensor, generator: torch.Generator, limits: ChannelRange) -> Tensor:
    """Lose resolution: a third of the clips each at one of three drawn sizes, so that work stays batched."""
    size = frames.shape[-1]
    parts = list(frames.tensor_split(3))
    for index, part in enumerate(parts):
        if index == 0 or part.shape[0] == 0:
            continue
        drawn = float(torch.rand(1, generator=generator, device=frames.device))
        small = max(8, round(size / (1 + (limits.shrink - 1) * drawn)))
        low = functional.interpolate(part, size=(small, small), mode="area")
        parts[index] = functional.interpolate(low, size=(size, size), mode="bilinear", align_corners=False)
    return torch.cat(parts)


def _noise(frames: Tensor, generator: torch.Generator, limits: ChannelRange) -> Tensor:
    scale = limits.noise * _strength(frames, generator, limits)
    return frames + scale * torch.randn(frames.shape, generator=generator, device=frames.device)


def _dct_matrix(device: torch.device) -> Tensor:
    """Orthonormal DCT-II of one block side, float (4, 4)."""
    k = torch.arange(_BLOCK, device=device).float()
    rows = torch.cos(math.pi / _BLOCK * (k[None, :] + 0.5) * k[:, None]) * math.sqrt(2 / _BLOCK)
    rows[0] /= math.sqrt(2)
    return rows


def _predictive_coding(frames: Tensor, generator: torch.Generator, limits: ChannelRange) -> Tensor:
    batch, _, height, width = frames.shape
    strength = _strength(frames, generator, limits)
    step = (limits.coding_step * strength).clamp_min(1e-3)
    transform = _dct_matrix(frames.device)
    blocks = (batch, height // _BLOCK, _BLOCK, width // _BLOCK, _BLOCK)
    received = frames[:, 0]
    coded = [received]
    for sent in frames.unbind(1)[1:]:
        residual = (sent - received).reshape(blocks).transpose(2, 3)
        wave = transform @ residual @ transform.T / step[..., None]
        wave = torch.sign(wave) * torch.floor(wave.abs() + 0.33)
        change = transform.T @ (wave * step[..., None]) @ transform
        received = received + change.transpose(2, 3).reshape(batch, height, width)
        coded.append(received)
    return torch.stack(coded, 1)


def _repeat_frames(frames: Tensor, generator: torch.Generator, limits: ChannelRange) -> Tensor:
    """Some frames never arrive and the one before is shown again."""
    batch, count = frames.shape[:2]
    rate = limits.repeat_probability * _strength(frames, generator, limits)[..., 0, 0]
    lost = torch.rand((batch, count), generator=generator, device=frames.device) < rate
    lost[:, 0] = False
    order = torch.arange(count, device=frames.device).expand(batch, count)
    shown = torch.where(lost, torch.zeros_like(order), order).cummax(1).values
    return frames[torch.arange(batch, device=frames.device)[:, None], shown]
