"""How much of a difference of feature maps comes from CCC choosing other neighbours and not from the picture.

CCC lets a node take over the maximum of the nodes nearest to it (`training.models.f5c`). Which nodes these are is a
hard choice, made anew in every frame. With C(f, N) = map f looked up with the neighbours N, the difference of
consecutive frames splits exactly into what moved under the neighbours of the earlier frame, C(f', N) - C(f, N), and
the jump to the neighbours of the later one, C(f', N') - C(f', N).

    python -m training.evaluation.neighbour_flips RUN CLIPS
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from training.data.channel import pass_through_call
from training.data.stored import WindowsOfFrames, load_stored
from training.errors import TrainingError
from training.evaluation.report_text import table
from training.fit import resume
from training.metrics import area_under_roc
from training.models.f5c import MAP_SIZE, nearest_others
from training.models.streaming import StreamingFeatDiff

_CLIPS, _FRAMES = 24, 32
_MOVED_GREY_LEVELS = 1.0
"""Mean change of a cell's pixels, before the call, from which on something moved there."""


@dataclass(frozen=True, slots=True)
class SplitDifferences:
    """Differences of T consecutive maps of h x w nodes and c channels.

    changed: float, share of neighbours that were none in the frame before (a node is always its own and not counted).
    whole: (T - 1, h * w, c), as the network takes them. shared: the same shape, under the neighbours of the earlier
    frame.
    """

    changed: float
    whole: Tensor
    shared: Tensor

    @property
    def flip_share(self) -> float:
        """Energy of the jumps over that of the whole differences, which may exceed 1; nan where nothing differs."""
        return float((self.whole - self.shared).square().sum() / self.whole.square().sum())


@torch.no_grad()
def split_differences(maps: Tensor) -> SplitDifferences:
    """Split the differences that CCC makes of the maps before it, float (T, c, h, w), T >= 2."""
    nodes = maps.flatten(2).transpose(1, 2).contiguous()
    frames, size = nodes.shape[:2]
    first_row = torch.arange(frames)[:, None, None] * size
    nearest = torch.stack(nearest_others(nodes), dim=1).reshape(frames, size, -1) - first_row
    kept = (nearest[1:, :, :, None] == nearest[:-1, :, None, :]).any(dim=3)
    looked_up = _look_up(nodes, nearest)
    return SplitDifferences(
        1 - float(kept.float().mean()), looked_up.diff(dim=0), _look_up(nodes[1:], nearest[:-1]) - looked_up[:-1]
    )


def _look_up(nodes: Tensor, nearest: Tensor) -> Tensor:
    """CCC of nodes (n, s, c) with the neighbours given, int64 (n, s, k), nodes of the same map."""
    strongest = nodes
    for neighbour in nearest.unbind(2):
        strongest = torch.maximum(strongest, nodes.gather(1, neighbour[..., None].expand_as(nodes)))
    return nodes + torch.relu(strongest)


@dataclass(frozen=True, slots=True)
class ClipFlips:
    """One clip in a call, and its first picture held still in the same call, so under the same noise.

    changed, flip_share: as in SplitDifferences. noise: energy of the still differences over that of the moving ones.
    area: AUC of a cell's energy, where something moved against the same cells and frames held still. Both once as the
    network takes differences (whole) and once under shared neighbours. nan where nothing moved or differed.
    """

    changed_moving: float
    changed_still: float
    flip_share_moving: float
    flip_share_still: float
    noise_whole: float
    noise_shared: float
    area_whole: float
    area_shared: float


def clip_flips(network: StreamingFeatDiff, pictures: Tensor, seed: int) -> ClipFlips:
    """Measure one clip as rendered, float (T, 128, 128), 0-255; the seed draws the call."""
    held = pictures[:1].expand_as(pictures)
    moving, still = (
        split_differences(_maps_before_ccc(network, pass_through_call(clip[None], _draws(seed))[0]))
        for clip in (pictures, held)
    )
    moved = moved_cells(pictures)
    pairs = [(_energy(moving.whole), _energy(still.whole)), (_energy(moving.shared), _energy(still.shared))]
    return ClipFlips(
        moving.changed,
        still.changed,
        moving.flip_share,
        still.flip_share,
        *(float(noise.sum() / signal.sum()) for signal, noise in pairs),
        *(_area(signal[moved], noise[moved]) for signal, noise in pairs),
    )


def moved_cells(pictures: Tensor) -> Tensor:
    """Where pictures (T, H, W) change from one to the next: bool (T - 1, 256), a cell for each node of the map."""
    change = pictures.diff(dim=0).abs()[:, None]
    means: Tensor = torch.nn.functional.adaptive_avg_pool2d(change, MAP_SIZE)
    return means.flatten(1) > _MOVED_GREY_LEVELS


def _draws(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@torch.no_grad()
def _maps_before_ccc(network: StreamingFeatDiff, frames: Tensor) -> Tensor:
    luma = (frames / 255 - network.config.pixel_mean) / network.config.pixel_std
    maps: Tensor = network.backbone.fcc(network.backbone.conv_stack(luma[:, None]))
    return maps


def _energy(differences: Tensor) -> Tensor:
    return differences.square().sum(dim=2)


def _area(signal: Tensor, noise: Tensor) -> float:
    if len(signal) == 0:
        return float("nan")
    scores = torch.cat([signal, noise]).double().numpy()
    return area_under_roc(scores, np.arange(len(scores)) < len(signal))


def summary(clips: Iterable[ClipFlips]) -> str:
    """Mean, deviation and extremes over clips, as a Markdown table; nan does not count."""
    measured = list(clips)
    rows = []
    for field in fields(ClipFlips):
        values = np.array([getattr(clip, field.name) for clip in measured])
        values = values[~np.isnan(values)]
        numbers = (values.mean(), values.std(), values.min(), values.max()) if len(values) else ()
        rows.append((field.name, *(f"{number:.3f}" for number in numbers), len(values)))
    return table(["", "mean", "deviation", "least", "most", "clips"], rows)


def _main(run: Path, clips: Path) -> None:
    torch.set_num_threads(1)
    try:
        network = resume(run, torch.device("cpu")).streaming().eval()
        windows = WindowsOfFrames(load_stored(clips), _FRAMES, _CLIPS, None, seed=0)(0)
    except TrainingError as error:
        sys.exit(str(error))
    measured = [clip_flips(network, pictures, seed) for seed, pictures in enumerate(windows.inputs)]
    sys.stdout.write(summary(measured) + "\n")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python -m training.evaluation.neighbour_flips RUN CLIPS")
    _main(Path(sys.argv[1]), Path(sys.argv[2]))
