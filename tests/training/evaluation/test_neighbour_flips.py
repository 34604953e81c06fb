"""Neighbours that change and what they do to a difference: maps small enough to work out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from training.evaluation.neighbour_flips import ClipFlips, clip_flips, moved_cells, split_differences, summary
from training.models.f5c import channel_correspondence
from training.models.streaming import StreamingFeatDiff

torch.set_num_threads(1)


def two_groups(turned: float) -> Tensor:
    """Two frames of 5 nodes in a row, 3 channels. Node 0 points along x, nodes 1-3 near x, node 4 along y and twice as
    long; in the second frame node 3 has turned by `turned` degrees towards z, which is nowhere near the others."""
    angles = torch.tensor([0.0, 5.0, 10.0, 15.0])
    near = torch.stack([torch.cos(angles.deg2rad()), torch.zeros(4), torch.sin(angles.deg2rad())])
    far = torch.tensor([[0.0], [2.0], [0.0]])
    later = near.clone()
    later[:, 3] = torch.tensor([math.cos(math.radians(15 + turned)), 0.0, math.sin(math.radians(15 + turned))])
    return torch.stack([torch.cat([near, far], 1), torch.cat([later, far], 1)])[:, :, None]


def test_nothing_flips_where_the_order_of_neighbours_stays() -> None:
    split = split_differences(two_groups(1.0))
    assert split.changed == 0
    assert split.flip_share == 0
    torch.testing.assert_close(split.whole, split.shared, atol=0, rtol=0)


def test_a_node_that_turns_away_is_replaced_by_the_next_nearest() -> None:
    """Nodes 0-2 had each other and node 3; turned by 150 degrees, node 3 is further from them than node 4 is.

    So 3 of 5 * 3 neighbours change. Node 0 had (1, 0, 0) plus the maximum (1, 0, sin 15); under the old neighbours that
    becomes (1, 0, sin 165), the same; under the new ones node 4 brings y = 2, and z falls to sin 10.
    """
    split = split_differences(two_groups(150.0))
    jump = split.whole - split.shared
    sine_10, sine_15 = (math.sin(math.radians(angle)) for angle in (10, 15))
    torch.testing.assert_close(split.shared[0, 0], torch.zeros(3), atol=1e-6, rtol=0)
    torch.testing.assert_close(jump[0, 0], torch.tensor([0.0, 2.0, sine_10 - sine_15]), atol=1e-6, rtol=0)
    assert split.changed >= 3 / 15 - 1e-6


def test_whole_differences_are_those_of_the_network() -> None:
    torch.manual_seed(0)
    maps = torch.randn(4, 12, 16, 16)
    split = split_differences(maps)
    expected = channel_correspondence(maps).flatten(2).transpose(1, 2).diff(dim=0)
    torch.testing.assert_close(split.whole, expected, atol=1e-6, rtol=1e-6)
    # Independent maps share a neighbour by chance alone: 3 of 255.
    assert split.changed == pytest.approx(1 - 3 / 255, abs=0.01)


def test_a_common_factor_flips_nothing() -> None:
    torch.manual_seed(1)
    maps = torch.randn(1, 12, 16, 16)
    split = split_differences(torch.cat([maps, 2 * maps]))
    assert split.changed == 0
    torch.testing.assert_close(split.whole, split.shared, atol=0, rtol=0)
    assert math.isnan(split_differences(maps.repeat(2, 1, 1, 1)).flip_share)


def test_moved_cells_are_where_pictures_change() -> None:
    pictures = torch.zeros(3, 128, 128)
    pictures[1:, 8:16, 24:32] = 1.5
    pictures[2, 0, 0] = 60.0
    moved = moved_cells(pictures)
    assert moved[0].nonzero().flatten().tolist() == [1 * 16 + 3]
    assert not moved[1].any()


def test_a_clip_held_still_tells_nothing_from_itself() -> None:
    torch.manual_seed(2)
    network = StreamingFeatDiff().eval()
    still = (255 * torch.rand(128, 128)).expand(8, -1, -1)
    measured = clip_flips(network, still, seed=3)
    assert measured.changed_moving == measured.changed_still
    assert math.isnan(measured.area_whole)
    faster = still.clone()
    faster[1::2, 40:80, 40:80] = 255 - faster[1::2, 40:80, 40:80]
    measured = clip_flips(network, faster, seed=3)
    assert measured.area_whole > 0.9
    assert measured.area_shared > 0.9
    assert measured.noise_whole < 0.5


def test_the_summary_leaves_out_what_was_not_measured() -> None:
    numbers = np.linspace(0.1, 0.8, 8)
    clips = [ClipFlips(*numbers), ClipFlips(*np.append(numbers[:-1] + 0.2, math.nan))]
    text = summary(clips)
    assert "| changed_moving | 0.200 | 0.100 | 0.100 | 0.300 | 2 |" in text
    assert "| area_shared | 0.800 | 0.000 | 0.800 | 0.800 | 1 |" in text
