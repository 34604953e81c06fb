"""Which windows of a driver enrol and which are probes: different sessions where there are any."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.data.bank import MotionBank


@dataclass(frozen=True, slots=True)
class DriverWindows:
    """Disjoint windows of one driver; enrol and probe are int64 (n, 2) of clip and offset.

    same_session: both sides come from one recording (a driver with a single clip), cut in two halves.
    """

    driver: int
    enrol: NDArray[np.int64]
    probe: NDArray[np.int64]
    same_session: bool


def driver_windows(bank: MotionBank, driver: int, frames: int, enrol: int, probe: int) -> DriverWindows | None:
    """Up to `enrol` and `probe` windows of the two sides; None where the driver does not have one of each.

    Sessions take sides in turn. A driver with one session gives the first half of its windows to enrolment.
    """
    clips = np.flatnonzero(bank.driver == driver)
    windows = np.array(
        [(clip, offset) for clip in clips for offset in range(0, int(bank.lengths[clip]) - frames + 1, frames)],
        np.int64,
    ).reshape(-1, 2)
    sessions = np.unique(bank.session[windows[:, 0]])
    if len(windows) < 2:
        return None
    if len(sessions) > 1:
        enrolling = np.isin(bank.session[windows[:, 0]], sessions[::2])
    else:
        enrolling = np.arange(len(windows)) < len(windows) // 2
    sides = _spread(windows[enrolling], enrol), _spread(windows[~enrolling], probe)
    return DriverWindows(driver, *sides, len(sessions) == 1)


def _spread(windows: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """At most `count` of them, evenly over all there are."""
    if len(windows) <= count:
        return windows
    chosen: NDArray[np.int64] = windows[np.linspace(0, len(windows) - 1, count).round().astype(int)]
    return chosen
