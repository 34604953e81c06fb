"""Puppets for calls on this machine: faces and drivers of the seeds that no training or evaluation uses."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from training.drivers.seeds import split_seeds
from training.puppets.player import PuppetPlayer

FPS = 30
_PEOPLE = 100


def demo_seed(number: int) -> int:
    """The seed of the face or the driver of this number, 0 to 99."""
    return split_seeds("demo", _PEOPLE)[number]


def make_player(face: int, driver: int, take: int, size: tuple[int, int] = (640, 360)) -> PuppetPlayer:
    """An endless iterator of BGR pictures, uint8 (height, width, 3), at 30 a second; size: width and height."""
    return PuppetPlayer(demo_seed(face), demo_seed(driver), take, FPS, size)


def puppet_frames(face: int, driver: int | None = None, take: int = 0) -> Iterator[NDArray[np.uint8]]:
    """The talking heads that `guard bench` sends: a face moved by its own driver, or by another one."""
    return make_player(face, face if driver is None else driver, take)
