"""What `engines/kernels/difference.cu` does, as one would write it in PyTorch: the rival, eager and compiled."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from engines.slot_state import MAP_SHAPE, TAPS


@dataclass(frozen=True, slots=True)
class TorchRings:
    """The streams' kept maps and counters, as the records hold them.

    maps: half (streams * 3, 128, 256). oldest: int64 (streams,), ring place that the new map goes to. run: int64
    (streams,), frames since the last break, the new one included.
    """

    maps: Tensor
    oldest: Tensor
    run: Tensor


def difference_maps(
    maps: Tensor, oldest: Tensor, run: Tensor, places: Tensor, newest: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Of streams kept as in `TorchRings`, the new maps, half (n, 128, 256), of those at `places`, int64 (n,).

    Returns the three newest differences, half (n, 3, 128, 256), oldest first, zero where they would reach over a
    break; the newest one's mean magnitude per channel, float32 (n, 128); and whether the row holds a value that is
    not finite, bool (n,). The new maps replace the oldest.
    """
    oldest, run = oldest[places], run[places]
    turns = torch.arange(TAPS, device=newest.device)
    kept = places[:, None] * TAPS + (oldest[:, None] + turns) % TAPS
    earlier = maps[kept.flatten()].reshape(len(places), TAPS, *newest.shape[1:])
    history = torch.cat([earlier, newest[:, None]], dim=1)
    reached = run[:, None] > TAPS - turns
    moved = torch.where(reached[:, :, None, None], history[:, 1:] - history[:, :-1], 0)
    maps[places * TAPS + oldest] = newest
    energy = moved[:, -1].float().abs().mean(-1)
    broken = ~(newest.isfinite() & moved[:, -1].isfinite()).flatten(1).all(1)
    return moved, energy, broken


def random_rings(streams: int, device: torch.device) -> TorchRings:
    """Streams in mid-run with random maps, each at another place of its ring."""
    values = MAP_SHAPE[0], MAP_SHAPE[1] * MAP_SHAPE[2]
    maps = torch.randn(streams * TAPS, *values, device=device, dtype=torch.float16)
    return TorchRings(
        maps, torch.arange(streams, device=device) % TAPS, torch.full((streams,), TAPS + 2, device=device)
    )
