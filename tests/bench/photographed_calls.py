"""Opinions fused on a photographed face: beside `guard-train fusion`, with real people among the drivers.

    python -m tests.bench.photographed_calls record FOLDER --split val ...   # renders and tracks; needs a tracker
    python -m tests.bench.photographed_calls measure FOLDER                  # with the witnesses that ship now

Every driver drives the same face through a generator and a simulated channel. At the live rate frames go through the
guard's own tracker process, whose samples are cut into windows by what the guard cuts them with; all of them go through
the engine's streaming path. Frames and samples are kept, so that new engines and witnesses cost no new rendering.
Weights are fitted on the validation split's drivers and measured on the test split's.
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
from engines.protocol import Calibration, Engine
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
from training.evaluation.streams import stream_clip
from training.evaluation.witness_calls import SIDES, load_calls
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


@dataclass(frozen=True, slots=True)
class Recorded:
    """One recording. frames: uint8 (n, 128, 128), as they arrived.

    seconds, blendshapes, signals, found: the tracker's samples, (m,), (m, 52), (m, 17), (m,).
    """

    frames: NDArray[np.uint8]
    seconds: NDArray[np.float64]
    blendshapes: NDArray[np.float32]
    signals: NDArray[np.float32]
    found: NDArray[np.bool_]

    @property
    def length_seconds(self) -> float:
        """By its frames."""
        return len(self.frames) / MOTION_FPS


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


class Recorder:
    """Renders recordings on one face and tracks them."""

    def __init__(self, generator: Generator, target: int, tracker: ExpressionsConfig) -> None:
        self._generator, self._target = generator, target
        self._rate_hz = tracker.rate_hz
        self._link = TrackerLink(tracker, 1)
        self._link.wait_ready()
        self._track = 0

    def close(self) -> None:
        self._link.close()

    def record(self, clip: MotionClip, seed: int) -> Recorded:
        """Every due frame to the tracker."""
        self._track += 1
        thinning = Thinning(self._rate_hz)
        frames, samples = self._frames(clip, seed), []
        for number, frame in enumerate(frames):
            seconds = (number + 1) / MOTION_FPS
            if thinning.takes(seconds, seconds):
                reply = self._link.track(WaitingFrame(self._track, seconds, frame))
                samples.append((seconds, reply.blendshapes, reply.signals, reply.found))
        self._link.forget(self._track)
        return Recorded(
            frames,
            np.array([sample[0] for sample in samples]),
            np.array([sample[1] for sample in samples], np.float32),
            np.array([sample[2] for sample in samples], np.float32),
            np.array([sample[3] for sample in samples]),
        )

    def _frames(self, clip: MotionClip, seed: int) -> NDArray[np.uint8]:
        """The rendered clip after the channel, uint8 (n, 128, 128)."""
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
        frames: NDArray[np.uint8] = arrived[0].round().clamp(0, 255).to(torch.uint8).numpy()
        return frames


def record(options: argparse.Namespace) -> None:
    """Record everybody of a split; who is there already is kept."""
    torch.set_num_threads(1)
    targets = targets_of(TargetSet.load(options.portraits), options.split)
    generator = make_generator("mesh_warp", targets, torch.device("cpu"))
    recorder = Recorder(generator, options.target, load_config().expressions)
    options.folder.mkdir(parents=True, exist_ok=True)
    for number, (name, enrol, probe) in enumerate(recordings(options.split, options.seeds, options.data)):
        path = options.folder / f"{options.split}_{name}.npz"
        if path.exists():
            continue
        kept: dict[str, Any] = {}
        for side, clips in zip(SIDES, (enrol, probe), strict=True):
            for part, clip in enumerate(clips):
                recorded = recorder.record(clip, 1000 * number + 10 * part + SIDES.index(side))
                kept |= {f"{side}_{part}_{field}": getattr(recorded, field) for field in Recorded.__slots__}
        np.savez_compressed(path, **kept)
        sys.stdout.write(f"{path.name}: {sum(len(clip.motion) for clip in (*enrol, *probe)) / MOTION_FPS:.0f} s\n")
        sys.stdout.flush()
    recorder.close()


def load_recorded(path: Path) -> tuple[list[Recorded], list[Recorded]]:
    """Both sides of a driver."""
    with np.load(path) as found:
        arrays = {name: found[name] for name in found.files}
    sides = []
    for side in SIDES:
        parts = sorted({int(name.split("_")[1]) for name in arrays if name.startswith(side)})
        sides.append([Recorded(*(arrays[f"{side}_{part}_{field}"] for field in Recorded.__slots__)) for part in parts])
    return sides[0], sides[1]


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


def trials(folder: Path, split: Split) -> FusionTrials:
    """Everybody's template against everybody's stretches."""
    engine = load_engine("default")
    witnesses = [load_witness(name) for name in available_witnesses()]
    paths = sorted(folder.glob(f"{split}_*.npz"))
    calibrations: dict[str, Calibration] = {ENGINE: engine.spec.calibration}
    calibrations |= {witness.spec.name: witness.spec.calibration for witness in witnesses}
    models = {ENGINE: engine.spec.model_sha256, **{each.spec.name: each.spec.model_sha256 for each in witnesses}}

    def by_name(one: Recorded) -> dict[str, Windows]:
        found = {ENGINE: engine_windows(one, engine)}
        return found | {witness.spec.name: witness_windows(one, witness) for witness in witnesses}

    templates, probes = [], []
    for enrol, probe in map(load_recorded, paths):
        sides = [by_name(one) for one in enrol]
        rows = {name: np.concatenate([side[name].embeddings for side in sides]) for name in calibrations}
        templates.append(
            {
                name: TemplateComparison(mean_embedding(row), calibrations[name])
                for name, row in rows.items()
                if len(row)
            }
        )
        lengths_of = {seconds: stretches(probe, seconds) for seconds in LENGTHS}
        probes.append((lengths_of, [by_name(one) for one in probe]))
    llrs: dict[str, list[float]] = {name: [] for name in calibrations}
    template_driver, probe_driver, lengths = [], [], []
    for enrolled, template in enumerate(templates):
        for probing, (lengths_of, windows) in enumerate(probes):
            for seconds, starts in lengths_of.items():
                for number, start in starts:
                    for name in llrs:
                        known = name in template
                        llrs[name].append(
                            said(windows[number][name], start, seconds, template[name]) if known else float("nan")
                        )
                    template_driver.append(enrolled)
                    probe_driver.append(probing)
                    lengths.append(seconds)
    people = sum("seed_" not in path.name for path in paths)
    real = f"{people} real people and " if people else ""
    return FusionTrials(
        {name: np.array(values) for name, values in llrs.items()},
        np.array(template_driver),
        np.array(probe_driver),
        np.array(lengths),
        models,
        f"{real}{len(paths) - people} procedural drivers of the {split} split on one photographed face (mesh_warp, "
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
    spec, witnesses = load_engine("default").spec, [load_witness(name) for name in available_witnesses()]
    return opinion_trials(load_calls(folder, spec.model_sha256), spec, witnesses, LENGTHS)


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
