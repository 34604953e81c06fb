"""Series of signals of drivers for the live witness: tracked people and procedural seeds, by split."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from training.data.bank import MotionClip
from training.data.material import procedural_clips, real_clips, variants_of
from training.drivers.seeds import split_seeds
from training.drivers.tracks import Split
from training.errors import DataError
from training.expression_dynamics.motion_signals import signals_of
from training.expression_dynamics.recordings import Floats
from training.expression_dynamics.tracker_noise import TrackerNoise

_TAKES, _TAKE_SECONDS = 2, 21.0
_JOINT = 3
"""Rows over which one recording fades into the next where short ones are joined."""


@dataclass(frozen=True, slots=True)
class DriverSeries:
    """sessions: signals float32 (n, 17) of each; real: a tracked person, or one of a person's variants."""

    driver: str
    real: bool
    sessions: tuple[Floats, ...]

    def sides(self, frames: int) -> tuple[list[Floats], list[Floats]]:
        """Sessions to enrol and to probe in turn; the halves of a single one."""
        if len(self.sessions) > 1:
            return list(self.sessions[::2]), list(self.sessions[1::2])
        (only,) = self.sessions
        half = len(only) // 2
        return ([only[:half]], [only[half:]]) if half >= frames else ([], [])


def witness_material(
    split: Split, data: Path | None, seeds: int, *, skip: int = 0, variants: bool = False
) -> list[DriverSeries]:
    """Drivers of a split, exact motion: the people of a data folder and `seeds` procedural ones after the first `skip`.

    variants: people also count retimed and mirrored, as others. Raises DataError without any driver.
    """
    clips: list[MotionClip] = list(real_clips(data, split)) if data else []
    if variants:
        clips = [variant for clip in clips for variant in variants_of(clip)]
    people = list(_by_driver(clips, real=True))
    artificial = [
        series
        for seed in split_seeds(split, skip + seeds)[skip:]
        for series in _by_driver(list(procedural_clips(seed, _TAKES, _TAKE_SECONDS)), real=False)
    ]
    if not people and not artificial:
        raise DataError("no drivers: give --data with tracks, or --seeds")
    return [*people, *artificial]


def as_tracked(series: Sequence[DriverSeries], noise: TrackerNoise, seed: int) -> list[DriverSeries]:
    """The same drivers, every session as a tracker would give it on a picture of its own."""
    random = np.random.default_rng(seed)
    return [
        DriverSeries(one.driver, one.real, tuple(noise.apply(rows, random) for rows in one.sessions)) for one in series
    ]


def _by_driver(clips: Sequence[MotionClip], *, real: bool) -> Iterator[DriverSeries]:
    found: dict[str, dict[str, list[Floats]]] = {}
    for clip in clips:
        found.setdefault(clip.driver, {}).setdefault(clip.session, []).append(signals_of(clip.motion))
    for driver, sessions in found.items():
        yield DriverSeries(driver, real, tuple(joined(parts) for parts in sessions.values()))


def joined(parts: Sequence[Floats]) -> Floats:
    """One series of several short ones, each less its median, fading into the next.

    News anchors have recordings of 1.24 s, shorter than any window; joined they show how far and how fast somebody
    moves, at the price of a joint in every window.
    """
    series = parts[0] - np.median(parts[0], axis=0)
    for part in parts[1:]:
        following = part - np.median(part, axis=0)
        reach = min(_JOINT, len(series), len(following))
        share = (np.arange(1, reach + 1) / (reach + 1))[:, None].astype(np.float32)
        fade = series[-reach:] * (1 - share) + following[:reach] * share
        series = np.concatenate([series[:-reach], fade, following[reach:]])
    return series.astype(np.float32)
