"""`guard-train fusion`: how much the engine's and each witness's opinion weighs, from calls of unseen drivers."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from training.errors import TrainingError
from training.one_line_errors import console, one_line_errors
from training.options import LandmarkerOption, ThreadsOption
from training.progress import progress_bar

if TYPE_CHECKING:
    from training.fusion_trials import FusionTrials

app = typer.Typer(help="Weigh the opinions of engine and witnesses.", no_args_is_help=True)

LENGTHS = (2.5, 5.0, 10.0)
"""Seconds of video that opinions are measured on."""

CallsArgument = Annotated[Path, typer.Argument(help="Folder of calls, of `guard-train fusion calls`.", file_okay=False)]


@app.command()
def calls(
    out: Annotated[Path, typer.Option(help="Folder of the calls; those that it holds are kept.", file_okay=False)],
    split: Annotated[Literal["val", "test"], typer.Option(help="Whose calls: val to fit weights, test to measure.")],
    faces: Annotated[int, typer.Option(min=1, help="Painted faces.")] = 8,
    drivers: Annotated[int, typer.Option(min=2, help="Procedural drivers of each face.")] = 6,
    first: Annotated[int, typer.Option(min=0, help="Place of the first of both within the split.")] = 500,
    enrol_seconds: Annotated[float, typer.Option(min=10)] = 24.0,
    probe_seconds: Annotated[float, typer.Option(min=10)] = 36.0,
    threads: ThreadsOption = 2,
) -> None:
    """Render drivers that no training saw in calls with a real encoder, and keep what arrives."""
    from training.evaluate import CallProtocol
    from training.evaluation.witness_rendering import render_calls

    protocol = CallProtocol(
        split,
        faces,
        drivers,
        first=first,
        enrol_seconds=enrol_seconds,
        probe_seconds=probe_seconds,
        processes=threads,
    )
    with one_line_errors(), progress_bar() as progress:
        task = progress.add_task("calls", total=faces * drivers)
        render_calls(protocol, out, lambda done: progress.update(task, completed=done))


@app.command()
def hear(
    folder: CallsArgument,
    engine: Annotated[str, typer.Option(help="Name of a shipped engine, or its folder.")] = "default",
) -> None:
    """Keep what an engine makes of rendered calls; for another engine only this is done again."""
    from engines.registry import load_engine
    from training.evaluation.witness_calls import call_files
    from training.evaluation.witness_hearing import hear_calls

    with one_line_errors(), progress_bar() as progress:
        task = progress.add_task("calls", total=len(call_files(folder)))
        hear_calls(load_engine(engine, "onnx"), folder, lambda done: progress.update(task, completed=done))


@app.command()
def track(
    folder: CallsArgument,
    landmarker: LandmarkerOption,
) -> None:
    """Track the faces of rendered calls, as the guard does live.

    Needs MediaPipe (pip install mediapipe==0.10.35) and no torch, so it runs in the environment of `guard-train track`.
    """
    from functools import partial

    from engines.expressions.face_landmarker import face_finder
    from training.evaluation.witness_calls import call_files
    from training.evaluation.witness_tracking import track_calls

    with one_line_errors():
        finder = partial(face_finder, landmarker, video=True)
        with finder():  # what is missing is told before anything is done
            pass
        with progress_bar() as progress:
            task = progress.add_task("calls", total=len(call_files(folder)))
            pictures, found = track_calls(folder, finder, lambda done: progress.update(task, completed=done))
    console.print(f"a face in {found} of {pictures} pictures")


@app.command()
def witness(
    name: Annotated[str, typer.Argument(help="Name of a shipped witness, or its folder.")],
    strangers: Annotated[Path, typer.Option(help="Calls of drivers that make the cohort.", file_okay=False)],
    calls: Annotated[Path, typer.Option(help="Calls of others, to calibrate on.", file_okay=False)],
    test: Annotated[Path, typer.Option(help="Calls of others again, to measure on.", file_okay=False)],
    out: Annotated[Path, typer.Option(help="Folder of the witness with the new cohort.", file_okay=False)],
    blends: Annotated[
        int, typer.Option(min=0, help="Rows at the end of its own cohort that are blends of people, and stay.")
    ] = 0,
) -> None:
    """Give a witness its cohort and calibration from tracked calls, and measure it."""
    from engines.witnesses.folder import find_witness, read_witness_folder
    from engines.witnesses.onnx_witness import OnnxWitness
    from training.evaluation.witness_calls import load_tracks
    from training.evaluation.witness_cohort import calibrate_witness, figures, write_calibrated

    with one_line_errors():
        folder = read_witness_folder(find_witness(name))
        others, calibrating = load_tracks(strangers), load_tracks(calls)
        found = calibrate_witness(OnnxWitness(folder), others, calibrating, load_tracks(test), blends)
        write_calibrated(folder, found, (len(others), len(calibrating), blends), out)
    for figure, estimate, _ in figures(found):
        sys.stdout.write(f"{figure}: {estimate}\n")


@app.command()
def fit(
    folder: CallsArgument,
    unseen: Annotated[
        Path | None, typer.Option(help="Calls of other drivers to measure on [default: halves of the same].")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="File of the weights; without, they are only measured.")] = None,
    seconds: Annotated[float, typer.Option(min=2.5, help="Length of the trials that weights are fitted on.")] = 10.0,
    engine: Annotated[str, typer.Option(help="The engine that heard the calls: a name, or a folder.")] = "default",
    seed: Annotated[int, typer.Option(help="Which drivers are in which half.")] = 0,
) -> None:
    """Fit how the opinions of engine and witnesses are weighed, and print what each is worth alone and fused."""
    from training.fusion import fit_table, measure, measured

    with one_line_errors():
        trials = _trials(folder, engine, seconds)
        report = measure(trials, seconds, None if unseen is None else _trials(unseen, engine, seconds), seed)
        if out is not None:
            table = measured(fit_table(trials, seconds), report)
            out.write_text(table.model_dump_json(indent=2) + "\n", encoding="utf-8")
    sys.stdout.write(report.table() + "\n")


def _trials(folder: Path, engine: str, seconds: float) -> FusionTrials:
    from engines.model_folder import read_model_folder
    from engines.registry import find_model
    from engines.witnesses.folder import available_witnesses
    from engines.witnesses.onnx_witness import load_witness
    from training.evaluation.opinion_trials import opinion_trials
    from training.evaluation.witness_calls import load_calls

    spec = read_model_folder(find_model(engine)).spec
    witnesses = [load_witness(name) for name in available_witnesses()]
    if not witnesses:
        raise TrainingError("no witness ships with this version: there is nothing to fuse")
    return opinion_trials(load_calls(folder, spec.model_sha256), spec, witnesses, sorted({*LENGTHS, seconds}))
