"""The commands `guard-train person`: a general model of faces, from it one of each person, and what they tell apart."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Annotated

import typer

from training.one_line_errors import console, one_line_errors
from training.options import DataOption, PortraitsOption, ThreadsOption
from training.progress import progress_bar

if TYPE_CHECKING:
    from training.person_models.learning import LearningProgress, Report

app = typer.Typer(help="Person-specific models: a second opinion on whose face moves so.", no_args_is_help=True)

GeneralOption = Annotated[Path, typer.Option(help="File of the general model, which `person general` wrote.")]
EpochsOption = Annotated[int | None, typer.Option(min=1, help="How often all pairs are learnt. Without: our choice.")]
CurriculumOption = Annotated[
    bool, typer.Option("--curriculum/--no-curriculum", help="Pairs of faces from close to apart, or shuffled once.")
]
FlipOption = Annotated[bool, typer.Option("--flip", help="Also turn faces round left to right, as published.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Progress as JSON lines on standard output.")]


@app.command()
def general(
    manifest: Annotated[Path, typer.Option(help="manifest.csv of `prepare`: its training people are learnt from.")],
    out: Annotated[Path, typer.Option(help="File to write.", dir_okay=False)],
    epochs: EpochsOption = None,
    pairs: Annotated[int, typer.Option(min=16, help="Pairs in an epoch.")] = 960,
    width: Annotated[float, typer.Option(min=0.02, max=1, help="Of all layers; 1 is the published size.")] = 0.125,
    as_json: JsonOption = False,
    seed: int = 0,
    threads: ThreadsOption = 2,
) -> None:
    """Learn the general model, which every person's begins with, from all training people."""
    with one_line_errors(), _learning(threads, as_json) as (report, stop):
        from dataclasses import replace

        from training.person_models.checkpoint import save_model
        from training.person_models.faces import people
        from training.person_models.learning import GENERAL, learn_general
        from training.person_models.network import PersonModelConfig

        config = replace(GENERAL, seed=seed, epochs=epochs or GENERAL.epochs)
        everybody = list(people(manifest, {"train"}).values())
        network = PersonModelConfig(width=width)
        model = learn_general(everybody, network, config, pairs_per_epoch=pairs, report=report, cancelled=stop.is_set)
        save_model(model, out, cpu_seconds=time.process_time())
    console.print(f"general model of {len(everybody)} people saved in {out}")


@app.command()
def enrol(
    files: Annotated[list[Path], typer.Argument(help="The person's clips (.npz), as `prepare` cuts them.")],
    general: GeneralOption,
    out: Annotated[Path, typer.Option(help="File to write.", dir_okay=False)],
    epochs: EpochsOption = None,
    curriculum: CurriculumOption = True,
    flip: FlipOption = False,
    as_json: JsonOption = False,
    seed: int = 0,
    threads: ThreadsOption = 1,
) -> None:
    """Learn one person's model from about 500 frames; an interrupt or a termination stops it, and nothing is kept."""
    with one_line_errors(), _learning(threads, as_json) as (report, stop):
        from dataclasses import replace

        from training.person_models.checkpoint import load_model, save_model
        from training.person_models.faces import recording
        from training.person_models.learning import PERSON, enrolment_of, learn_person

        config = replace(PERSON, seed=seed, curriculum=curriculum, flip=flip, epochs=epochs or PERSON.epochs)
        recordings = enrolment_of([recording(file) for file in files])
        begin = load_model(general)
        model = learn_person(begin, recordings, config, report=report, cancelled=stop.is_set)
        save_model(model, out, cpu_seconds=time.process_time())
    frames = sum(len(one.faces) for one in recordings)
    console.print(f"model of {frames} frames saved in {out}")


@app.command()
def score(
    file: Annotated[Path, typer.Argument(help="Clip (.npz) of the probe, as `prepare` cuts it.")],
    claimed: Annotated[Path, typer.Option(help="Model of whom the probe claims to be.")],
    others: Annotated[list[Path], typer.Option(help="General model, or models of a cohort: one option each.")],
    pairs: Annotated[int, typer.Option(min=1, help="Pairs of faces, evenly over the clip.")] = 32,
    threads: ThreadsOption = 2,
) -> None:
    """Print, as JSON, the log-ratio of the others' swap errors to the claimed person's: > 0 speaks for the claim."""
    with one_line_errors():
        import torch

        from training.person_models.checkpoint import load_model
        from training.person_models.faces import recording
        from training.person_models.score import log_ratio, probe_pairs, swap_errors

        torch.set_num_threads(threads)
        faces = probe_pairs(recording(file).faces, pairs)
        own, *cohort = (swap_errors(load_model(path), *faces) for path in (claimed, *others))
    found = {"log_ratio": log_ratio(own, cohort), "claimed_error": float(own.mean()), "pairs": len(own)}
    sys.stdout.write(json.dumps(found) + "\n")


@app.command()
def measure(
    manifest: Annotated[Path, typer.Option(help="manifest.csv of `prepare`: its people outside training.")],
    generals: Annotated[Path, typer.Option(help="Folder of general models, SEED.pt.", file_okay=False)],
    out: Annotated[Path, typer.Option(help="Folder of the page; models and clips are kept there.", file_okay=False)],
    data: DataOption = None,
    portraits: PortraitsOption = None,
    frames: Annotated[int, typer.Option(min=100, help="To enrol with, about.")] = 250,
    epochs: EpochsOption = None,
    variants: Annotated[
        str, typer.Option(help="Other ways to learn: 'one shuffle', 'with flips', 'from scratch'; commas between.")
    ] = "",
    common_seeds: Annotated[
        int, typer.Option(min=0, help="General models that also enrol on common faces; needs --data.")
    ] = 1,
    read_out: Annotated[
        bool, typer.Option("--read-out/--no-read-out", help="Also what embeddings tell of movements; needs --data.")
    ] = True,
    threads: ThreadsOption = 2,
) -> None:
    """Learn models of people outside training, and measure: on their own videos, and of drivers on common faces."""
    with one_line_errors():
        from training.person_models.measure import measure_people

        text = measure_people(
            manifest, generals, out, data=data, portraits=portraits, frames=frames, epochs=epochs,
            variants=tuple(name for name in variants.split(",") if name), common_seeds=common_seeds, read_out=read_out,
            threads=threads, tell=lambda done: console.print(done, highlight=False),
        )  # fmt: skip
    sys.stdout.write(text)


@app.command()
def release(
    study: Annotated[Path, typer.Option(help="Folder that `person measure` wrote.", exists=True, file_okay=False)],
    general: Annotated[Path, typer.Option(help="One of its general models, SEED.pt.", exists=True, dir_okay=False)],
    out: Annotated[Path, typer.Option(help="Folder for guards.", file_okay=False)],
    data: Annotated[Path, typer.Option(help="Folder with tracks/ of the drivers.", exists=True, file_okay=False)],
    licence: Annotated[str, typer.Option(help="Under which the weights may be used.")],
    portraits: PortraitsOption = None,
    cohort: Annotated[int, typer.Option(min=1, help="People in the cohort; asking takes as many models more.")] = 4,
    version: str = "1",
    threads: ThreadsOption = 2,
) -> None:
    """Make a folder that a guard asks person models with (setting person_models.folder): models and calibration."""
    with one_line_errors():
        from training.person_models.measure import release_study

        manifest = release_study(
            study, general, out, data=data, portraits=portraits, people=cohort, version=version, licence=licence,
            threads=threads,
        )  # fmt: skip
    for metric in manifest.metrics:
        console.print(f"{metric.name} {metric.value:.3f} [{metric.low:.3f}, {metric.high:.3f}]: {metric.about}")
    console.print(f"{len(manifest.cohort)} in the cohort, saved in {out}")


@contextmanager
def _learning(threads: int, as_json: bool) -> Iterator[tuple[Report, Event]]:
    """How far it is, told as asked; and an event that an interrupt or a termination sets."""
    import torch

    torch.set_num_threads(threads)
    stop = Event()
    before = {sign: signal.signal(sign, lambda *_: stop.set()) for sign in (signal.SIGINT, signal.SIGTERM)}
    try:
        with nullcontext(_json_line) if as_json else _bar() as report:
            yield report, stop
    finally:
        for sign, handler in before.items():
            signal.signal(sign, handler)


@contextmanager
def _bar() -> Iterator[Report]:
    with progress_bar() as progress:
        task = progress.add_task("steps")
        yield lambda done: progress.update(
            task, completed=done.step, total=done.steps, description=f"loss {done.loss:.2f}"
        )


def _json_line(done: LearningProgress) -> None:
    sys.stdout.write(json.dumps({"step": done.step, "steps": done.steps, "loss": round(done.loss, 4)}) + "\n")
    sys.stdout.flush()
