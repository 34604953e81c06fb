"""The clips that all rows of a comparison are measured on: rendered once, kept, and the same for every network.

Everybody drives the same faces, so that trials can show one face and differ in the driver alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from training.data.channel import ChannelRange
from training.data.material import Extent, Material, load_material, renderer
from training.data.recipe import claim
from training.data.windows import driver_windows
from training.errors import DataError
from training.evaluate import Protocol, evenly_chosen, rendered_windows
from training.evaluation.kept_arrays import KeptArrays
from training.generators.generator import FACE_MESH

PROCEDURAL_FROM = 10_000
"""Numbers of procedural drivers and of the faces that they drive begin here, those of real people at 0."""


@dataclass(frozen=True, slots=True)
class BenchClips(KeptArrays):
    """Windows of unseen drivers on unseen faces by one generator, after a simulated call.

    frames: uint8 (n, T, 128, 128). landmarks: float16 (n, T, 95, 2), the exact motion. driver, face: int64 (n,).
    probe: bool (n,), which side of a trial; both sides of a driver are from different recordings where there are two.
    """

    frames: NDArray[np.uint8]
    landmarks: NDArray[np.float16]
    driver: NDArray[np.int64]
    face: NDArray[np.int64]
    probe: NDArray[np.bool_]


BENCH_PROTOCOL = Protocol(frames=32, enrol=4, probe=4, targets=2, channel=ChannelRange(), seed=29)
"""Four windows a side, each as long as the shortest real recordings, on two faces."""


@dataclass(frozen=True, slots=True)
class BenchSource:
    """Where a bench comes from: folders as everywhere; seeds: how many procedural drivers join the real people."""

    data: Path | None
    portraits: Path | None
    face_mesh: Path | None
    seeds: int
    puppets: int = 8
    protocol: Protocol = BENCH_PROTOCOL

    def recipe(self, generator: str) -> dict[str, Any]:
        """All that decides what is rendered by one generator."""
        return {**asdict(self), "face_mesh": self.face_mesh if generator == FACE_MESH else None}


def bench_clips(source: BenchSource, generators: tuple[str, ...], folder: Path) -> dict[str, BenchClips]:
    """The bench of each generator, rendered where the folder does not hold it yet.

    Raises DataError where it holds one of another source.
    """
    found = {}
    for generator in generators:
        path = folder / f"{generator}.npz"
        claim(path.with_suffix(".json"), source.recipe(generator), kept=path.exists())
        if not path.exists():
            kinds = [_clips(source, *kind, generator) for kind in _material(source)]
            joined = [np.concatenate([getattr(kind, field.name) for kind in kinds]) for field in fields(BenchClips)]
            BenchClips(*joined).save(path)
        found[generator] = BenchClips.load(path)
    return found


def _material(source: BenchSource) -> Iterator[tuple[Material, int]]:
    """Unseen people of each kind on faces of their own split, and where their numbers begin."""
    if source.data is not None:
        real = Extent(seeds=0, puppets=source.puppets)
        yield load_material("test", real, source.data, source.portraits), 0
    if source.seeds:
        seeds = Extent(seeds=source.seeds, puppets=source.puppets)
        yield load_material("test", seeds, None, source.portraits), PROCEDURAL_FROM


def _clips(source: BenchSource, material: Material, first: int, generator: str) -> BenchClips:
    protocol = source.protocol
    render = renderer(material.targets, torch.device("cpu"), (generator,), source.face_mesh)
    frames, landmarks, driver, face, probe = [], [], [], [], []
    for number in range(len(material.bank.drivers)):
        side = driver_windows(material.bank, number, protocol.frames, protocol.enrol, protocol.probe)
        if side is None:
            continue
        windows = np.concatenate([side.enrol, side.probe])
        moved, _ = material.bank.windows(windows[:, 0], windows[:, 1], protocol.frames)
        for target in evenly_chosen(len(material.targets), protocol.targets):
            frames.append(rendered_windows(material, render, protocol, side, target))
            landmarks.append(moved.astype(np.float16))
            driver.append(np.full(len(windows), first + number))
            face.append(np.full(len(windows), first + target))
            probe.append(np.arange(len(windows)) >= len(side.enrol))
    if not frames:
        raise DataError(f"no driver of the test split has two windows of {protocol.frames} frames")
    return BenchClips(*(np.concatenate(parts) for parts in (frames, landmarks, driver, face, probe)))
