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
from pathlib import Path

import numpy as np

from tests.bench.photographed_calls.hearing import LENGTHS, Listeners, trials
from tests.bench.photographed_calls.recording import record
from training.evaluation.opinion_trials import opinion_trials
from training.evaluation.witness_calls import load_calls
from training.fusion import fit_table, measure, measured
from training.fusion_trials import FusionTrials

FITTED_SECONDS = 5.0


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
    listeners = Listeners.shipped()
    spec = listeners.engine.spec
    return opinion_trials(load_calls(folder, spec.model_sha256), spec, listeners.witnesses, LENGTHS)


def record_split(options: argparse.Namespace) -> None:
    """Render and track one split."""
    record(
        options.folder,
        options.split,
        options.portraits,
        options.data,
        seeds=options.seeds,
        target=options.target,
    )


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
    recording.set_defaults(run=record_split)
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
