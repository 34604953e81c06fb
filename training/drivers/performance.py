"""Endless motion of an artificial driver, frame by frame, with the driver replaceable in mid-stream."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from training.drivers.motion import DriverMotion
from training.drivers.procedural import ProceduralDriver

Frame = tuple[NDArray[np.float32], NDArray[np.float32]]

_TAKE_SECONDS = 20.0
_HAND_OVER_SECONDS = 0.8
"""One motion fades into the next this long: no jump tells that take or driver changed."""


class Performance:
    """Yields (landmark motion (95, 2), head motion (4,)) for ever.

    Each take is followed by the next one of the same driver; `switch` hands over to another driver in the same way.
    """

    def __init__(self, driver_seed: int, fps: float, take: int = 0) -> None:
        self._fps = fps
        self._fade_frames = max(1, round(_HAND_OVER_SECONDS * fps))
        self._driver = ProceduralDriver(driver_seed)
        self._take = take
        self._motion = self._next_take()
        self._at = 0
        self._leaving: list[Frame] = []

    @property
    def driver_seed(self) -> int:
        """Who drives now; during a hand-over the newcomer."""
        return self._driver.seed

    def switch(self, driver_seed: int) -> None:
        """Let another driver take over from the next frame on, within 0.8 s. Costs some 0.1 s of computing."""
        leaving = [self._upcoming(step) for step in range(self._fade_frames)]
        self._driver = ProceduralDriver(driver_seed)
        self._start(leaving)

    def __iter__(self) -> Performance:
        return self

    def __next__(self) -> Frame:
        if len(self._motion) - self._at <= self._fade_frames and not self._leaving:
            self._start([self._upcoming(step) for step in range(self._fade_frames)])
        frame = self._upcoming(0)
        self._at += 1
        if self._leaving:
            self._leaving.pop(0)
        return frame

    def _start(self, leaving: list[Frame]) -> None:
        self._motion = self._next_take()
        self._at = 0
        self._leaving = leaving

    def _next_take(self) -> DriverMotion:
        motion = self._driver.motion(_TAKE_SECONDS, self._fps, self._take)
        self._take += 1
        return motion

    def _upcoming(self, step: int) -> Frame:
        """The frame `step` frames from now, the fade out of the last motion included."""
        index = min(self._at + step, len(self._motion) - 1)
        landmarks, head = self._motion.landmarks[index], self._motion.head[index]
        if step >= len(self._leaving):
            return landmarks, head
        part = 1 - (len(self._leaving) - step) / (self._fade_frames + 1)
        share = np.float32(part * part * (3 - 2 * part))
        old_landmarks, old_head = self._leaving[step]
        return old_landmarks + share * (landmarks - old_landmarks), old_head + share * (head - old_head)
