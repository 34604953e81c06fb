"""Opinions fused on a photographed face: beside `guard-train fusion`, with real people among the drivers.

    python -m tests.bench.photographed_calls record FOLDER --split val ...   # renders and tracks; needs a tracker
    python -m tests.bench.photographed_calls measure FOLDER                  # with the witnesses that ship now

Every driver drives the same face through a generator and a simulated channel. The frames go through the engine's
streaming path and, at the live rate, through the guard's own tracker process, whose samples are cut into windows by
what the guard cuts them with. What was heard is kept, so that new witnesses cost no new rendering. Weights are fitted
on the validation split's drivers and measured on the test split's.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from engines.comparison import mean_embedding
from engines.protocol import Calibration, Engine, EngineSpec
from engines.registry import load_engine
from engines.witnesses.folder import available_witnesses
from engines.witnesses.fusion_table import ENGINE
from engines.witnesses.onnx_witness import OnnxWitness, load_witness
from guard.config import ExpressionsConfig, load_config
from guard.expressions.thinning import Thinning
from guard.expressions.tracker_link import TrackerLink
from guard.expressions.waiting_frames import WaitingFrame
from guard.verify.comparison import TemplateComparison
from guard.verify.witness_windows import WindowCollector
from training.data.bank import MotionClip
from training.data.channel import ChannelRange, pass_through_call
from training.data.material import procedural_clips, real_clips, targets_of
from training.drivers.seeds import split_seeds
from training.drivers.tracks import MOTION_FPS, Split
from training.evaluation.opinion_trials import opinion_trials
from training.evaluation.witness_calls import load_calls
from training.fusion import fit_table, measure, measured
from training.fusion_trials import FusionTrials
from training.generators.generator import Generator, make_generator
from training.generators.targets import TargetSet
from training.generators.views import random_views

LENGTHS = (2.5, 5.0, 10.0)
FITTED_SECONDS = 5.0
_TAKES, _TAKE_SECONDS = 2, 20.0
_SHORTEST_SECONDS = 6.0
"""Of a side of a real person: a window of every witness fits in."""
_AT_ONCE = 60
_EMBEDDING_STEP = 8
"""Frames from one embedding that is kept to the next."""
_HOP_SECONDS = 0.25
_OVERHANG_SECONDS = 0.2
"""By which a window may reach out of its stretch on either side: one of 5.1 s belongs to 5 s."""
_SIDES = ("enrol", "probe")


@dataclass(frozen=True, slots=True)
class Heard:
    """One recording. ends: float64 (n,), when the engine's windows end; embeddings: float32 (n, D).

    seconds, blendshapes, signals, found: the tracker's samples, (m,), (m, 52), (m, 17), (m,).
    """

    ends: NDArray[np.float64]
    embeddings: NDArray[np.float32]
    seconds: NDArray[np.float64]
    blendshapes: NDArray[np.float32]
    signals: NDArray[np.float32]
    found: NDArray[np.bool_]
    length: float


def recordings(split: Split, seeds: int, data: Path | None) -> Iterator[tuple[str, list[MotionClip], list[MotionClip]]]:
    """Of each driver: what enrols them and what probes, real people first."""
    people: dict[str, list[MotionClip]] = {}
    for clip in real_clips(data, split) if data is not None else ():
        if len(clip.motion) >= _SHORTEST_SECONDS * MOTION_FPS:
            people.setdefault(clip.driver, []).append(clip)
    for name, clips in people.items():
        sessions = list(dict.fromkeys(clip.session for clip in clips))
        if len(sessions) > 1:
            enrol = [clip for clip in clips if clip.session in sessions[::2]]
            yield name, enrol, [clip for clip in clips if clip not in enrol]
        elif len(clips[0].motion) >= 2 * _SHORTEST_SECONDS * MOTION_FPS:
            half = len(clips[0].motion) // 2
            yield name, [_part(clips[0], 0, half)], [_part(clips[0], half, len(clips[0].motion))]
    for seed in split_seeds(split, seeds):
        enrol_take, probe_take = procedural_clips(seed, _TAKES, _TAKE_SECONDS)
        yield f"seed_{seed}", [enrol_take], [probe_take]


def _part(clip: MotionClip, first: int, end: int) -> MotionClip:
    motion = replace(clip.motion, landmarks=clip.motion.landmarks[first:end], head=clip.motion.head[first:end])
    return MotionClip(clip.driver, clip.session, clip.key, motion)


class Listener:
    """Renders recordings on one face and hears them."""

    def __init__(self, generator: Generator, target: int, engine: Engine, tracker: ExpressionsConfig) -> None:
        self._generator, self._target, self._engine = generator, target, engine
        self._rate_hz = tracker.rate_hz
        self._link = TrackerLink(tracker, 1)
        self._link.wait_ready()
        self._track = 0
        engine.open(1)

    def close(self) -> None:
        self._link.close()

    def hear(self, clip: MotionClip, seed: int) -> Heard:
        """Every frame to the engine, every due one to the tracker."""
        self._engine.reset(0)
        self._track += 1
        thinning = Thinning(self._rate_hz)
        ends, embeddings, samples = [], [], []
        for number, frame in enumerate(self._frames(clip, seed)):
            seconds = (number + 1) / MOTION_FPS
            result = self._engine.step(np.zeros(1, np.int32), frame[None], np.array([number > 0]))
            if result.valid_fraction[0] >= 1 and number % _EMBEDDING_STEP == 0:
                ends.append(seconds)
                embeddings.append(result.embeddings[0].copy())
            if thinning.takes(seconds, seconds):
                reply = self._link.track(WaitingFrame(self._track, seconds, frame))
                samples.append((seconds, reply.blendshapes, reply.signals, reply.found))
        self._link.forget(self._track)
        return Heard(
            np.array(ends),
            np.array(embeddings, np.float32).reshape(len(ends), -1),
            np.array([sample[0] for sample in samples]),
            np.array([sample[1] for sample in samples], np.float32),
            np.array([sample[2] for sample in samples], np.float32),
            np.array([sample[3] for sample in samples]),
            len(clip.motion) / MOTION_FPS,
        )

    def _frames(self, clip: MotionClip, seed: int) -> Iterator[NDArray[np.uint8]]:
        """The rendered clip after the channel, uint8 (128, 128) each."""
        random = torch.Generator().manual_seed(seed)
        view = random_views(1, random)
        target = torch.tensor([self._target])
        parts = []
        for first in range(0, len(clip.motion), _AT_ONCE):
            rows = slice(first, first + _AT_ONCE)
            landmarks = torch.from_numpy(clip.motion.landmarks[rows].astype(np.float32))[None]
            head = torch.from_numpy(clip.motion.head[rows].astype(np.float32))[None]
            parts.append(self._generator.render(target, landmarks, head, view).float())
        arrived = pass_through_call(torch.cat(parts, dim=1), random, ChannelRange())
        yield from arrived[0].round().clamp(0, 255).to(torch.uint8).numpy()


def record(options: argparse.Namespace) -> None:
    """Hear everybody of a split; who is there already is kept."""
    torch.set_num_threads(1)
    targets = targets_of(TargetSet.load(options.portraits), options.split)
    listener = Listener(
        make_generator("mesh_warp", targets, torch.device("cpu")),
        options.target,
        load_engine("default"),
        load_config().expressions,
    )
    options.folder.mkdir(parents=True, exist_ok=True)
    for number, (name, enrol, probe) in enumerate(recordings(options.split, options.seeds, options.data)):
        path = options.folder / f"{options.split}_{name}.npz"
        if path.exists():
            continue
        kept: dict[str, Any] = {}
        for side, clips in zip(_SIDES, (enrol, probe), strict=True):
            for part, clip in enumerate(clips):
                heard = listener.hear(clip, 1000 * number + 10 * part + _SIDES.index(side))
                kept |= {f"{side}_{part}_{field}": getattr(heard, field) for field in Heard.__slots__}
        np.savez_compressed(path, **kept)
        sys.stdout.write(f"{path.name}: {sum(len(clip.motion) for clip in (*enrol, *probe)) / MOTION_FPS:.0f} s\n")
        sys.stdout.flush()
    listener.close()


def load_heard(path: Path) -> tuple[list[Heard], list[Heard]]:
    """Both sides of a driver."""
    with np.load(path) as found:
        arrays = {name: found[name] for name in found.files}
    sides = []
    for side in _SIDES:
        parts = sorted({int(name.split("_")[1]) for name in arrays if name.startswith(side)})
        sides.append(
            [Heard(*(_scalar(arrays[f"{side}_{part}_{field}"]) for field in Heard.__slots__)) for part in parts]
        )
    return sides[0], sides[1]


def _scalar(array: NDArray[Any]) -> Any:
    return array if array.ndim else float(array)


@dataclass(frozen=True, slots=True)
class Windows:
    """What one opinion makes of a recording: when its windows begin and end, and their embeddings (n, D)."""

    begins: NDArray[np.float64]
    ends: NDArray[np.float64]
    embeddings: NDArray[np.float32]


def engine_windows(heard: Heard, spec: EngineSpec) -> Windows:
    """As they were kept."""
    return Windows(heard.ends - spec.window_frames / MOTION_FPS, heard.ends, heard.embeddings)


def witness_windows(heard: Heard, witness: OnnxWitness) -> Windows:
    """Cut as the guard cuts them."""
    spec = witness.spec
    rows = heard.signals if spec.reads == "signals" else heard.blendshapes
    collector = WindowCollector(spec.rate_hz, spec.window_frames, _HOP_SECONDS)
    ends, windows = [], []
    for seconds, row, found in zip(heard.seconds, rows, heard.found, strict=True):
        if (window := collector.add(float(seconds), row if found else None)) is not None:
            ends.append(float(seconds))
            windows.append(window)
    embeddings = witness.embed(np.stack(windows)) if windows else np.empty((0, spec.embedding_size), np.float32)
    return Windows(np.array(ends) - spec.window_seconds, np.array(ends), embeddings)


def stretches(probes: Sequence[Heard], seconds: float) -> list[tuple[int, float]]:
    """Recording and beginning of every stretch of this length, one after the other."""
    return [
        (number, start * seconds)
        for number, heard in enumerate(probes)
        for start in range(int((heard.length + 1e-6) // seconds))
    ]


def said(windows: Windows, start: float, seconds: float, comparison: TemplateComparison) -> float:
    """Mean LLR over the windows that lie in a stretch; NaN where there is none."""
    first, last = start - _OVERHANG_SECONDS, start + seconds + _OVERHANG_SECONDS
    inside = (windows.begins >= first) & (windows.ends <= last)
    llrs = [comparison.compare(row).llr for row in windows.embeddings[inside]]
    return float(np.mean(llrs)) if llrs else float("nan")


def trials(folder: Path, split: Split) -> FusionTrials:
    """Everybody's template against everybody's stretches."""
    engine = load_engine("default").spec
    witnesses = [load_witness(name) for name in available_witnesses()]
    heard = [load_heard(path) for path in sorted(folder.glob(f"{split}_*.npz"))]
    calibrations: dict[str, Calibration] = {ENGINE: engine.calibration}
    calibrations |= {witness.spec.name: witness.spec.calibration for witness in witnesses}
    models = {ENGINE: engine.model_sha256, **{each.spec.name: each.spec.model_sha256 for each in witnesses}}

    def by_name(one: Heard) -> dict[str, Windows]:
        found = {ENGINE: engine_windows(one, engine)}
        return found | {witness.spec.name: witness_windows(one, witness) for witness in witnesses}

    templates, probes = [], []
    for enrol, probe in heard:
        sides = [by_name(one) for one in enrol]
        rows = {name: np.concatenate([side[name].embeddings for side in sides]) for name in calibrations}
        templates.append(
            {
                name: TemplateComparison(mean_embedding(row), calibrations[name])
                for name, row in rows.items()
                if len(row)
            }
        )
        probes.append((probe, [by_name(one) for one in probe]))
    llrs: dict[str, list[float]] = {name: [] for name in calibrations}
    template_driver, probe_driver, lengths = [], [], []
    for enrolled, template in enumerate(templates):
        for probing, (recorded, windows) in enumerate(probes):
            for seconds in LENGTHS:
                for number, start in stretches(recorded, seconds):
                    for name in llrs:
                        known = name in template
                        llrs[name].append(
                            said(windows[number][name], start, seconds, template[name]) if known else float("nan")
                        )
                    template_driver.append(enrolled)
                    probe_driver.append(probing)
                    lengths.append(seconds)
    people = sum("seed_" not in path.name for path in folder.glob(f"{split}_*.npz"))
    real = f"{people} real people and " if people else ""
    return FusionTrials(
        {name: np.array(values) for name, values in llrs.items()},
        np.array(template_driver),
        np.array(probe_driver),
        np.array(lengths),
        models,
        f"{real}{len(heard) - people} procedural drivers of the {split} split on one photographed face (mesh_warp, "
        "simulated call), tracked on 128x128 luma as in a call.",
    )


def joined(one: FusionTrials, other: FusionTrials) -> FusionTrials:
    """Both benches' trials, everybody a driver of their own."""
    apart = int(one.drivers.max()) + 1
    return FusionTrials(
        {name: np.concatenate([llr, other.llrs[name]]) for name, llr in one.llrs.items()},
        np.concatenate([one.template_driver, other.template_driver + apart]),
        np.concatenate([one.probe_driver, other.probe_driver + apart]),
        np.concatenate([one.seconds, other.seconds]),
        one.models,
        f"{one.training_data} {other.training_data}",
    )


def called(folder: Path) -> FusionTrials:
    """Trials of a folder of `guard-train fusion calls`."""
    witnesses = [load_witness(name) for name in available_witnesses()]
    return opinion_trials(load_calls(folder), load_engine("default").spec, witnesses, LENGTHS)


def compare(options: argparse.Namespace) -> None:
    """Print what opinions are worth alone and together, on this bench and on calls, where calls are given."""
    fitted, tests = trials(options.folder, "val"), [trials(options.folder, "test")]
    if options.calls is not None:
        fitted, tests = joined(fitted, called(options.calls)), [*tests, called(options.test_calls)]
    reports = [measure(fitted, FITTED_SECONDS, unseen) for unseen in tests]
    for unseen, report in zip(tests, reports, strict=True):
        sys.stdout.write(f"{unseen.training_data}\n\n{report.table()}\n\n")
    if options.out is not None:
        table = measured(fit_table(fitted, FITTED_SECONDS), reports[-1])
        options.out.write_text(table.model_dump_json(indent=2) + "\n", encoding="utf-8")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.photographed_calls", description=__doc__)
    commands = parser.add_subparsers(required=True)
    recording = commands.add_parser("record")
    recording.add_argument("folder", type=Path)
    recording.add_argument("--split", choices=("val", "test"), default="test")
    recording.add_argument("--portraits", type=Path, required=True)
    recording.add_argument("--data", type=Path)
    recording.add_argument("--seeds", type=int, default=24)
    recording.add_argument("--target", type=int, default=0)
    recording.set_defaults(run=record)
    measuring = commands.add_parser("measure")
    measuring.add_argument("folder", type=Path)
    measuring.add_argument("--calls", type=Path, help="also fit on these, of `guard-train fusion calls`")
    measuring.add_argument("--test-calls", type=Path, help="and measure on these")
    measuring.add_argument("--out", type=Path, help="file of the weights")
    measuring.set_defaults(run=compare)
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
