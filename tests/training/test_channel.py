"""The simulated call: it repeats exactly, stays in range, and does what each stage is for."""

from __future__ import annotations

import torch
from torch import Tensor

from training.data.channel import ChannelRange, pass_through_call

NOTHING = ChannelRange(0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0)


def clips(count: int = 6, frames: int = 12) -> Tensor:
    """Smooth pictures in which a bright square wanders."""
    pictures = torch.full((count, frames, 32, 32), 90.0)
    for frame in range(frames):
        pictures[:, frame, 8:16, frame : frame + 8] = 180.0
    return pictures


def passed(limits: ChannelRange, seed: int = 0) -> Tensor:
    return pass_through_call(clips(), torch.Generator().manual_seed(seed), limits)


def test_the_same_seed_gives_the_same_pixels_and_another_does_not() -> None:
    torch.testing.assert_close(passed(ChannelRange()), passed(ChannelRange()), rtol=0, atol=0)
    assert (passed(ChannelRange()) != passed(ChannelRange(), seed=1)).any()


def test_pixels_stay_in_range_and_shape() -> None:
    out = passed(ChannelRange(contrast=2.0, brightness=200.0, noise=80.0))
    assert out.shape == clips().shape
    assert 0 <= float(out.min()) <= float(out.max()) <= 255


def test_a_perfect_call_changes_nothing() -> None:
    torch.testing.assert_close(passed(NOTHING), clips(), atol=0.05, rtol=0)


def test_gain_is_constant_over_a_clip() -> None:
    out = passed(ChannelRange(0.3, 25.0, 0.25, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0))
    background = out[:, :, 24:, 24:]
    assert float((background - background[:, :1]).abs().max()) < 0.05
    assert float(background[:, 0, 0, 0].std()) > 3


def test_coarse_coding_freezes_what_hardly_moves() -> None:
    faint = clips()
    faint[:, :, 24:] += torch.rand(6, 12, 8, 32, generator=torch.Generator().manual_seed(3)) * 2
    limits = ChannelRange(0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 30.0, 0.0, 0.0)
    out = pass_through_call(faint, torch.Generator().manual_seed(0), limits)
    sent = (faint[:, 1:, 24:] != faint[:, :-1, 24:]).float().mean()
    received = (out[:, 1:, 24:] != out[:, :-1, 24:]).float().mean(dim=(1, 2, 3))
    assert float(sent) > 0.99
    assert float(received.min()) < 0.05
    assert float((out - faint).abs().max()) < 60


def test_lost_frames_show_the_one_before() -> None:
    limits = ChannelRange(0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.9, 0.0)
    out = passed(limits)
    repeats = (out[:, 1:] - out[:, :-1]).abs().amax(dim=(2, 3)) < 0.05
    assert bool(repeats.any())
    assert not bool(repeats.all())
