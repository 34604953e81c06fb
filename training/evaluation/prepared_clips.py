"""Clips that `guard-train prepare` cut, as evaluation takes them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.data.luma_clip import LumaClip
from training.data.manifest import NO_GENERATOR, read_manifest
from training.drivers.tracks import Split
from training.errors import DataError
from training.evaluation.protocols import ClipLabels


@dataclass(frozen=True, slots=True)
class LabelledClip:
    """One prepared clip. frames: uint8 (n, 128, 128). continues: bool (n,), False after a gap in time."""

    frames: NDArray[np.uint8]
    continues: NDArray[np.bool_]
    fps: float
    labels: ClipLabels


def prepared_clips(manifest: Path, split: Split) -> Iterator[LabelledClip]:
    """The clips of one split, one at a time. Raises DataError for a manifest of videos that were not cut yet."""
    listed = read_manifest(manifest)
    for row in listed.rows:
        if not row.path.endswith(".npz"):
            raise DataError(
                f"{manifest} lists videos such as {row.path}; cut them with "
                f"`guard-train prepare --manifest {manifest} --out CLIPS` and give CLIPS/manifest.csv"
            )
        if row.split == split:
            clip = LumaClip.load(listed.file(row))
            original = row.generator == NO_GENERATOR
            labels = ClipLabels(row.driver, row.target, row.session, row.generator, row.source, original)
            yield LabelledClip(clip.frames, clip.continues, clip.fps, labels)
