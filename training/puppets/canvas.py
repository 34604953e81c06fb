"""A picture under the brush: float colours over the face-unit plane, with soft-edged shapes."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from training.generators.targets import View
from training.puppets.looks import Colour

Field = NDArray[np.float32]


class Canvas:
    """Colour picture, float32 (H, W, 3) BGR 0-1, in a view; shapes are given in face units."""

    def __init__(self, view: View, colour: Field | None = None) -> None:
        self.view = view
        empty = np.zeros((view.height_px, view.width_px, 3), np.float32) if colour is None else colour
        self.colour: Field = empty
        grid = view.grid()
        self.x: Field = grid[..., 0]
        self.y: Field = grid[..., 1]

    def part(self, x: float, y: float, half_width: float, half_height: float) -> Canvas:
        """The rectangle around a point as a canvas of its own, painting into this one: small shapes cost little."""
        left, top = np.floor(self.view.points_px(np.array([x - half_width, y - half_height]))).astype(int)
        right, bottom = np.ceil(self.view.points_px(np.array([x + half_width, y + half_height]))).astype(int)
        left, right = np.clip([left, right], 0, self.view.width_px)
        top, bottom = np.clip([top, bottom], 0, self.view.height_px)
        unit = self.view.unit_px
        view = View(
            self.view.left + left / unit, self.view.top + top / unit, unit, int(right - left), int(bottom - top)
        )
        return Canvas(view, self.colour[top:bottom, left:right])

    def shape(self, outline: NDArray[np.floating], soft: float = 0.0, rounds: int = 3) -> Field:
        """Mask (H, W), 0-1, of a closed outline (n, 2) with its corners rounded; `soft` blurs it (face units)."""
        points = np.round(self.view.points_px(rounded(outline, rounds)) * 16).astype(np.int32)
        mask = np.zeros(self.x.shape, np.uint8)
        cv2.fillPoly(mask, [points], 255, cv2.LINE_AA, 4)
        return self.blurred(np.asarray(mask / 255, np.float32), soft)

    def stroke(self, line: NDArray[np.floating], width: float, soft: float = 0.0) -> Field:
        """Mask (H, W), 0-1, of an open line (n, 2) of a width in face units."""
        points = np.round(self.view.points_px(rounded(line, 2, closed=False)) * 16).astype(np.int32)
        mask = np.zeros(self.x.shape, np.uint8)
        cv2.polylines(mask, [points], False, 255, max(1, round(width * self.view.unit_px)), cv2.LINE_AA, 4)
        return self.blurred(np.asarray(mask / 255, np.float32), soft)

    def blurred(self, mask: Field, soft: float) -> Field:
        if soft <= 0:
            return mask
        return np.asarray(cv2.GaussianBlur(mask, (0, 0), soft * self.view.unit_px), np.float32)

    def paint(self, mask: Field, colour: Colour | Field) -> None:
        """Lay a colour, or a picture (H, W, 3), over what is there where the mask is 1."""
        self.colour += mask[..., None] * (np.asarray(colour, np.float32) - self.colour)

    def shade(self, mask: Field, factor: Colour | float) -> None:
        """Multiply what is there by a factor where the mask is 1."""
        self.colour *= 1 + mask[..., None] * (np.asarray(factor, np.float32) - 1)

    def glow(self, mask: Field, amount: float) -> None:
        """Add light where the mask is 1."""
        self.colour += (mask * amount)[..., None]

    def spot(self, x: float, y: float, width: float, height: float) -> Field:
        """Gaussian spot (H, W) with its peak of 1 at a point."""
        row, column = np.exp(-(((self.x[:1] - x) / width) ** 2)), np.exp(-(((self.y[:, :1] - y) / height) ** 2))
        return np.asarray(column * row, np.float32)


def rounded(points: NDArray[np.floating], rounds: int, closed: bool = True) -> NDArray[np.float64]:
    """Chaikin's corner cutting (1974), `rounds` times."""
    line = np.asarray(points, np.float64)
    for _ in range(rounds):
        following = np.roll(line, -1, axis=0) if closed else line[1:]
        here = line if closed else line[:-1]
        cut = np.stack([0.75 * here + 0.25 * following, 0.25 * here + 0.75 * following], axis=1).reshape(-1, 2)
        line = cut if closed else np.concatenate([line[:1], cut, line[-1:]])
    return line


def mirrored(points: NDArray[np.floating]) -> NDArray[np.float64]:
    return np.asarray(points * np.array([-1.0, 1.0]))
