"""What the engine and the witnesses make of recordings, as the guard would, and the trials that come of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engines.comparison import mean_embedding
from engines.protocol import Calibration, Engine
from engines.registry import load_engine
from engines.witnesses.folder import available_witnesses
from engines.witnesses.fusion_table import ENGINE
from engines.witnesses.onnx_witness import OnnxWitness, load_witness
from guard.verify.comparison import TemplateComparison
from guard.verify.witness_windows import WindowCollector
from tests.bench.photographed_calls.recording import Recorded, load_recorded
from training.drivers.tracks import MOTION_FPS, Split
from training.evaluation.streams import stream_clip
from training.fusion_trials import FusionTrials

LENGTHS = (2.5, 5.0, 10.0)
_EMBEDDING_STEP = 8
"""Frames from one embedding that is kept to the next."""
_HOP_SECONDS = 0.25
_OVERHANG_SECONDS = 0.2
"""By which a window may reach out of its stretch on either side: one of 5.1 s belongs to 5 s."""


@dataclass(frozen=True, slots=True)
class Windows:
    """What one opinion makes of a recording: when its windows begin and end, and their embeddings (n, D)."""

    begins: NDArray[np.float64]
    ends: NDArray[np.float64]
    embeddings: NDArray[np.float32]


def engine_windows(recorded: Recorded, engine: Engine) -> Windows:
    """Every so many frames, by the streaming path."""
    embeddings, valid = stream_clip(engine, recorded.frames)
    places = np.arange(0, len(valid), _EMBEDDING_STEP)
    full = places[valid[places] >= 1]
    ends = (full + 1) / MOTION_FPS
    return Windows(ends - engine.spec.window_frames / MOTION_FPS, ends, embeddings[full])


def witness_windows(recorded: Recorded, witness: OnnxWitness) -> Windows:
    """Cut as the guard cuts them."""
    spec = witness.spec
    rows = recorded.signals if spec.reads == "signals" else recorded.blendshapes
    collector = WindowCollector(spec.rate_hz, spec.window_frames, _HOP_SECONDS)
    ends, windows = [], []
    for seconds, row, found in zip(recorded.seconds, rows, recorded.found, strict=True):
        if (window := collector.add(float(seconds), row if found else None)) is not None:
            ends.append(float(seconds))
            windows.append(window)
    embeddings = witness.embed(np.stack(windows)) if windows else np.empty((0, spec.embedding_size), np.float32)
    return Windows(np.array(ends) - spec.window_seconds, np.array(ends), embeddings)


def stretches(probes: Sequence[Recorded], seconds: float) -> list[tuple[int, float]]:
    """Recording and beginning of every stretch of this length, one after the other."""
    return [
        (number, start * seconds)
        for number, recorded in enumerate(probes)
        for start in range(int((recorded.length_seconds + 1e-6) // seconds))
    ]


def said(windows: Windows, start: float, seconds: float, comparison: TemplateComparison) -> float:
    """Mean LLR over the windows that lie in a stretch; NaN where there is none."""
    first, last = start - _OVERHANG_SECONDS, start + seconds + _OVERHANG_SECONDS
    inside = (windows.begins >= first) & (windows.ends <= last)
    llrs = [comparison.compare(row).llr for row in windows.embeddings[inside]]
    return float(np.mean(llrs)) if llrs else float("nan")


@dataclass(frozen=True, slots=True)
class Listeners:
    """The engine and the witnesses that ship."""

    engine: Engine
    witnesses: tuple[OnnxWitness, ...]

    @classmethod
    def shipped(cls) -> Listeners:
        return cls(load_engine("default"), tuple(load_witness(name) for name in available_witnesses()))

    @property
    def calibrations(self) -> dict[str, Calibration]:
        return {ENGINE: self.engine.spec.calibration} | {
            each.spec.name: each.spec.calibration for each in self.witnesses
        }

    @property
    def models(self) -> dict[str, str]:
        """Their hashes."""
        return {ENGINE: self.engine.spec.model_sha256} | {
            each.spec.name: each.spec.model_sha256 for each in self.witnesses
        }

    def hear(self, recorded: Recorded) -> dict[str, Windows]:
        """What each makes of a recording, by its name."""
        found = {ENGINE: engine_windows(recorded, self.engine)}
        return found | {each.spec.name: witness_windows(recorded, each) for each in self.witnesses}

    def template(self, recorded: Sequence[Recorded]) -> dict[str, TemplateComparison]:
        """Of somebody's enrolment; without those who made nothing of it."""
        sides = [self.hear(one) for one in recorded]
        rows = {name: np.concatenate([side[name].embeddings for side in sides]) for name in self.calibrations}
        return {
            name: TemplateComparison(mean_embedding(row), self.calibrations[name])
            for name, row in rows.items()
            if len(row)
        }


def trials(folder: Path, split: Split) -> FusionTrials:
    """Everybody's template against everybody's stretches."""
    listeners = Listeners.shipped()
    paths = sorted(folder.glob(f"{split}_*.npz"))
    templates, probes = [], []
    for enrol, probe in map(load_recorded, paths):
        templates.append(listeners.template(enrol))
        heard = [listeners.hear(one) for one in probe]
        probes.append([(seconds, heard[at], start) for seconds in LENGTHS for at, start in stretches(probe, seconds)])
    rows = [
        (enrolled, probing, seconds, _all_said(listeners.models, template, windows, start, seconds))
        for enrolled, template in enumerate(templates)
        for probing, probed in enumerate(probes)
        for seconds, windows, start in probed
    ]
    people = sum("seed_" not in path.name for path in paths)
    real = f"{people} real people and " if people else ""
    return FusionTrials(
        {name: np.array([llrs[place] for *_, llrs in rows]) for place, name in enumerate(listeners.models)},
        np.array([row[0] for row in rows]),
        np.array([row[1] for row in rows]),
        np.array([row[2] for row in rows]),
        listeners.models,
        f"{real}{len(paths) - people} procedural drivers of the {split} split on one photographed face (mesh_warp, "
        "simulated call), tracked on 128x128 luma as in a call.",
    )


def _all_said(
    names: Iterable[str],
    template: Mapping[str, TemplateComparison],
    windows: Mapping[str, Windows],
    start: float,
    seconds: float,
) -> list[float]:
    """Mean LLR of each opinion in a stretch; NaN where one is silent."""
    return [said(windows[name], start, seconds, template[name]) if name in template else float("nan") for name in names]
