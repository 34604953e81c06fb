"""People who were recorded on several days, re-rendered onto common faces: is a driver the same on another day?

Short recordings of one driver on many days are the hardest genuine pairs there are here, and the only ones whose
tracking, mood and topic differ. On their own videos appearance tells people apart; on common faces it cannot.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from training.data.bank import MotionBank
from training.data.material import Extent, Material, build_material, load_material, real_clips, renderer
from training.data.recipe import claim
from training.data.windows import DriverWindows
from training.errors import DataError
from training.evaluate import cosine, evenly_chosen, pooled, rendered_windows
from training.evaluation.bench_clips import BenchSource
from training.evaluation.comparison import POOLINGS
from training.evaluation.kept_arrays import KeptArrays
from training.metrics import Trials

_FEWEST_DAYS = 3
"""Two videos of somebody may be two cuts of one day."""
_MOST_DAYS = 8
_CLIPS_OF_A_DAY = 4


@dataclass(frozen=True, slots=True)
class DayClips(KeptArrays):
    """One window from the middle of each recording, by one generator, after a simulated call.

    frames: uint8 (n, T, 128, 128). landmarks: float16 (n, T, 95, 2), the exact motion. driver, day, face: int64 (n,);
    a day belongs to one driver.
    """

    frames: NDArray[np.uint8]
    landmarks: NDArray[np.float16]
    driver: NDArray[np.int64]
    day: NDArray[np.int64]
    face: NDArray[np.int64]


def day_clips(source: BenchSource, generator: str, folder: Path) -> DayClips:
    """Everybody outside training with recordings of several days, rendered where the folder does not hold it yet.

    Raises DataError without folder of real people, where nobody in it has three days, or where clips of another source
    are kept.
    """
    path = folder / f"days_{generator}.npz"
    recipe = {name: value for name, value in source.recipe(generator).items() if name != "seeds"}
    claim(path.with_suffix(".json"), recipe, kept=path.exists())
    if not path.exists():
        _render(source, generator).save(path)
    return DayClips.load(path)


def day_windows(bank: MotionBank, driver: int, frames: int) -> NDArray[np.int64]:
    """Clip and offset, int64 (n, 2), of up to 4 recordings on each of the 8 fullest days; none for under 3 days."""
    clips = np.flatnonzero((bank.driver == driver) & (bank.lengths >= frames))
    days, counts = np.unique(bank.session[clips], return_counts=True)
    if len(days) < _FEWEST_DAYS:
        return np.empty((0, 2), np.int64)
    fullest = days[np.argsort(-counts, kind="stable")][:_MOST_DAYS]
    chosen = np.concatenate([clips[bank.session[clips] == day][:_CLIPS_OF_A_DAY] for day in fullest])
    return np.stack([chosen, (bank.lengths[chosen] - frames) // 2], axis=1)


def day_trials(clips: DayClips, embeddings: NDArray[np.float32]) -> dict[str, Trials]:
    """Trials of each of `POOLINGS` that show one face, of two days: one recording each, or four of a day pooled.

    embeddings: float32 (n, D), L2-normalised, of the clips in their order. Raises DataError where one kind is missing.
    """
    singles = (embeddings, clips.driver, clips.day, clips.face)
    groups = [
        np.flatnonzero((clips.day == day) & (clips.face == face))
        for day, face in sorted(set(zip(clips.day.tolist(), clips.face.tolist(), strict=True)))
    ]
    full = [group for group in groups if len(group) == _CLIPS_OF_A_DAY]
    if not full:
        raise DataError(f"nobody has {_CLIPS_OF_A_DAY} recordings of one day")
    first = np.array([group[0] for group in full])
    rows = np.concatenate([pooled(embeddings[group]) for group in full])
    return dict(
        zip(
            POOLINGS,
            (_pairs(*singles), _pairs(rows, clips.driver[first], clips.day[first], clips.face[first])),
            strict=True,
        )
    )


def _pairs(
    rows: NDArray[np.float32], driver: NDArray[np.int64], day: NDArray[np.int64], face: NDArray[np.int64]
) -> Trials:
    left, right = np.triu_indices(len(rows), 1)
    wanted = (face[left] == face[right]) & (day[left] != day[right])
    left, right = left[wanted], right[wanted]
    scores = cosine(rows, rows)[left, right].astype(np.float64)
    return Trials(scores, driver[left], driver[right], face[left])


def _render(source: BenchSource, generator: str) -> DayClips:
    if source.data is None:
        raise DataError("recordings of several days need a folder of real people: give --data")
    faces = load_material("test", Extent(seeds=0, puppets=source.puppets), source.data, source.portraits).targets
    people = [clip for split in ("val", "test") for clip in real_clips(source.data, split)]
    material = build_material(people, {clip.driver for clip in people}, faces)
    render = renderer(faces, torch.device("cpu"), (generator,), source.face_mesh)
    frames, landmarks, windows, face = [], [], [], []
    for number in range(len(material.bank.drivers)):
        mine = day_windows(material.bank, number, source.protocol.frames)
        for target in evenly_chosen(len(faces), source.protocol.targets) if len(mine) else ():
            side = DriverWindows(number, mine, mine[:0], same_session=False)
            frames.append(rendered_windows(material, render, source.protocol, side, target))
            landmarks.append(_exact(material, mine, source.protocol.frames))
            windows.append(mine)
            face.append(np.full(len(mine), target))
    if not frames:
        raise DataError(f"nobody in {source.data} outside training has recordings of {_FEWEST_DAYS} days")
    clip = np.concatenate(windows)[:, 0]
    bank = material.bank
    return DayClips(
        np.concatenate(frames), np.concatenate(landmarks), bank.driver[clip], bank.session[clip], np.concatenate(face)
    )


def _exact(material: Material, windows: NDArray[np.int64], frames: int) -> NDArray[np.float16]:
    return material.bank.windows(windows[:, 0], windows[:, 1], frames)[0].astype(np.float16)
