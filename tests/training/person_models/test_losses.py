"""Every term by a case whose value is known."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from training.person_models.losses import person_losses, redrawing_error, ssim
from training.person_models.network import Redrawn


def picture(seed: int = 0) -> Tensor:
    return torch.randn(2, 1, 64, 64, generator=torch.Generator().manual_seed(seed))


def test_equal_pictures_are_alike_and_others_less() -> None:
    face = picture()
    torch.testing.assert_close(ssim(face, face), torch.ones(2))
    slightly, strongly = (ssim(face, face + share * picture(1)) for share in (0.2, 1.0))
    assert (slightly > strongly).all()
    assert (strongly < 0.7).all()
    torch.testing.assert_close(redrawing_error(face, face), torch.zeros(2), atol=1e-4, rtol=0)


def test_likeness_is_that_of_a_gaussian_window_of_11_pixels() -> None:
    first, second = picture()[:1], picture(1)[:1]
    row = torch.exp(-((torch.arange(11.0) - 5) ** 2) / (2 * 1.5**2))
    window = torch.outer(row, row)[None, None] / row.sum() ** 2

    def blur(values: Tensor) -> Tensor:
        return functional.conv2d(values, window, padding=5)

    m1, m2 = blur(first), blur(second)
    v1, v2, c = blur(first**2) - m1**2, blur(second**2) - m2**2, blur(first * second) - m1 * m2
    c1, c2 = 0.04**2, 0.12**2
    expected = ((2 * m1 * m2 + c1) * (2 * c + c2) / ((m1**2 + m2**2 + c1) * (v1 + v2 + c2))).mean()
    torch.testing.assert_close(ssim(first, second)[0], expected, atol=1e-5, rtol=1e-5)


def test_a_perfect_redrawing_of_a_symmetric_face_costs_nothing() -> None:
    face = picture()
    even = face + face.flip(3)
    losses = person_losses(Redrawn(even, even, even, even, even, even, even))
    assert set(losses) == {"pixels", "symmetry", "ssim"}
    assert float(sum(losses.values())) < 1e-3


@pytest.mark.parametrize(
    ("part", "pixels", "unlike"),
    [("swapped", 1, 1), ("itself", 1, 1), ("warped_swapped", 1, 0), ("pixel_swapped", 1.5, 1.5), ("neutral", 0, 0)],
)
def test_each_part_weighs_as_published(part: str, pixels: float, unlike: float) -> None:
    face, other = picture(), picture(1)
    drawn = Redrawn(face, face, face, face, face, face, face)._replace(**{part: other})
    losses = person_losses(drawn)
    torch.testing.assert_close(losses["pixels"], pixels * (face - other).abs().mean())
    torch.testing.assert_close(losses["ssim"], 5 * unlike * (1 - ssim(face, other)).mean(), atol=1e-4, rtol=1e-4)


def test_lopsided_neutral_faces_cost_and_half_as_much_by_pixels() -> None:
    face = picture()
    crooked = (face - face.flip(3)).abs().mean()
    losses = person_losses(Redrawn(face, face, face, face, face, face, face))
    torch.testing.assert_close(losses["symmetry"], 1.5 * (1 + 0.5) * crooked)
