"""The commands `guard-train codes ...`: facial codes from training to the live witness."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from training.one_line_errors import console, one_line_errors
from training.options import ThreadsOption
from training.progress import progress_bar

app = typer.Typer(no_args_is_help=True, help="Facial codes: an expression as a sum of templates out of one codebook.")


TracksOption = Annotated[Path, typer.Option(help="Folder with tracks/ and faces/ of real people.", file_okay=False)]
ExpressionsOption = Annotated[
    Path, typer.Option(help="Folder with react_nao.npz and questionnaire.csv.", file_okay=False)
]
MeshOption = Annotated[Path, typer.Option(help="ICT-FaceKit's narrow face (.npz).", dir_okay=False)]
SeedCountOption = Annotated[int, typer.Option(min=1, help="How many seeds.")]
StepsOption = Annotated[int, typer.Option(min=1, help="Length of each training.")]

SEEDS = 3


@app.command()
def fit(
    out: Annotated[Path, typer.Option(help="Folder of the run: codes.pt.", file_okay=False)],
    data: TracksOption,
    mesh: MeshOption,
    codes: Annotated[int, typer.Option(min=2, help="Size of the codebook, K.")] = 64,
    stages: Annotated[int, typer.Option(min=1, help="Stages of the quantiser, Q.")] = 8,
    levels: Annotated[
        bool, typer.Option("--levels", help="Learn coefficients as tracked, not about each recording's median.")
    ] = False,
    full: Annotated[
        bool,
        typer.Option("--full", help="The encoder of the reference, 16 x 128, 4 layers; far slower."),
    ] = False,
    steps: StepsOption = 200,
    seed: int = 0,
    threads: ThreadsOption = 2,
) -> None:
    """Learn codes of the blendshapes of the training split's people, and say what they explain of the others."""
    from training.facial_codes import session

    with one_line_errors(), progress_bar() as progress:
        task = progress.add_task("steps", total=steps)
        figures = session.fit_run(
            session.Tracked(data, mesh), out, codes=codes, stages=stages, levels=levels, full=full, steps=steps,
            seed=seed, threads=threads, tick=lambda step: progress.update(task, completed=step),
        )  # fmt: skip
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")


@app.command(name="fit-coefficients")
def fit_coefficients(
    files: Annotated[Path, typer.Argument(help="Folder of FLAME coefficients, .npz or .csv.", file_okay=False)],
    out: Annotated[Path, typer.Option(help="Folder of the run: codes.pt.", file_okay=False)],
    fps: Annotated[float | None, typer.Option(help="Frames a second of .csv files, which do not say it.")] = None,
    codes: Annotated[int, typer.Option(min=2, help="Size of the codebook, K.")] = 64,
    stages: Annotated[int, typer.Option(min=1, help="Stages of the quantiser, Q.")] = 8,
    levels: Annotated[bool, typer.Option("--levels", help="Learn coefficients as they are, medians included.")] = False,
    steps: StepsOption = 200,
    seed: int = 0,
    threads: ThreadsOption = 2,
) -> None:
    """Learn codes of FLAME coefficients (50 or 100 expression + 3 jaw), for users who hold its licence.

    An .npz holds expression, jaw and fps; every fifth file, the last one at least, is held out and measured.
    """
    from training.facial_codes import session

    with one_line_errors(), progress_bar() as progress:
        task = progress.add_task("steps", total=steps)
        figures = session.fit_coefficients(
            files, out, fps, codes=codes, stages=stages, levels=levels, steps=steps, seed=seed, threads=threads,
            tick=lambda step: progress.update(task, completed=step),
        )  # fmt: skip
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")


@app.command()
def study(
    out: Annotated[Path, typer.Option(help="Folder of the grid; runs that it holds are kept.", file_okay=False)],
    data: TracksOption,
    mesh: MeshOption,
    steps: StepsOption = 200,
    threads: ThreadsOption = 2,
) -> None:
    """Train codes over stages, codebook sizes and terms on templates, three seeds each; OUT/rows.json holds it all."""
    from training.facial_codes import session

    with one_line_errors(), progress_bar() as progress:
        task = progress.add_task("runs", total=session.GRID_RUNS)
        session.study(session.Tracked(data, mesh), out, steps, threads, lambda _: progress.advance(task))


@app.command()
def drivers(
    out: Annotated[Path, typer.Option(help="File of the figures (.json).", dir_okay=False)],
    data: TracksOption,
    mesh: MeshOption,
    seeds: SeedCountOption = SEEDS,
    steps: StepsOption = 200,
    threads: ThreadsOption = 2,
) -> None:
    """Compare histograms of tokens of enrolment and probe, of people outside training."""
    from training.facial_codes import session

    with one_line_errors(), progress_bar() as progress:
        task = progress.add_task("trainings", total=2 * seeds)
        session.drivers(session.Tracked(data, mesh), out, seeds, steps, threads, lambda _: progress.advance(task))


@app.command(name="open-set")
def open_set(
    out: Annotated[Path, typer.Option(help="File of the figures (.json).", dir_okay=False)],
    expressions: ExpressionsOption,
    threads: ThreadsOption = 2,
) -> None:
    """The same on REACT-Nao: codes of action units, 20 people held out in each of five draws."""
    from training.facial_codes import session

    with one_line_errors(), progress_bar() as progress:
        task = progress.add_task("trainings", total=session.OPEN_SET_FITS)
        session.open_set(expressions, out, threads, lambda _: progress.advance(task))


@app.command()
def traits(
    out: Annotated[Path, typer.Option(help="File of the figures (.json).", dir_okay=False)],
    expressions: ExpressionsOption,
    seeds: SeedCountOption = SEEDS,
    threads: ThreadsOption = 2,
) -> None:
    """Predict personality and expressivity of REACT-Nao's people from bags of tokens, and from plain action units."""
    from training.facial_codes import session

    with one_line_errors(), progress_bar() as progress:
        task = progress.add_task("trainings", total=session.trait_fits(seeds))
        session.traits(expressions, out, seeds, threads, lambda _: progress.advance(task))


@app.command()
def pictures(
    run: Annotated[Path, typer.Option(help="Folder of a run of `codes fit`.", file_okay=False)],
    out: Annotated[Path, typer.Option(help="Contact sheet to write (.png).", dir_okay=False)],
    data: TracksOption,
    mesh: MeshOption,
    threads: ThreadsOption = 2,
) -> None:
    """Draw every token of a run as a face with what moves on it in red, with words and how often it is seen."""
    from training.facial_codes import session

    with one_line_errors():
        lines = session.pictures(run, session.Tracked(data, mesh), out, threads)
    sys.stdout.write("\n".join(lines) + "\n")


@app.command()
def export(
    out: Annotated[Path, typer.Option(help="Witness folder to write.", file_okay=False)],
    data: TracksOption,
    mesh: MeshOption,
    calls: Annotated[Path, typer.Option(help="Tracked calls that share faces, to calibrate on.", file_okay=False)],
    test_calls: Annotated[Path, typer.Option(help="Others, of other drivers, to measure.", file_okay=False)],
    version: Annotated[str, typer.Option(help="Version of the witness.")] = "0.1.0",
    codes: Annotated[int, typer.Option(min=2, help="Size of the codebook, K.")] = 64,
    steps: StepsOption = 500,
    seed: int = 0,
    threads: ThreadsOption = 2,
) -> None:
    """Make the live witness `facial_codes`: codes, cohort and calibration of disjoint people, words, pictures.

    Tracked calls are made by `guard-train fusion calls` and `guard-train fusion track`.
    """
    from training.facial_codes import session

    with one_line_errors():
        tracked = session.Tracked(data, mesh)
        lines = session.export(tracked, calls, test_calls, out, version, codes, steps, seed, threads)
    sys.stdout.write("\n".join(lines) + "\n")


@app.command()
def page(
    study: Annotated[Path, typer.Option(help="Folder of `codes study`.", file_okay=False)],
    drivers: Annotated[list[Path], typer.Option(help="Files of `codes drivers` and `open-set`.", dir_okay=False)],
    traits: Annotated[Path, typer.Option(help="File of `codes traits`.", dir_okay=False)],
    witness: Annotated[Path, typer.Option(help="Folder of `codes export`.", file_okay=False)],
    out: Annotated[Path, typer.Option(help="Folder of facial_codes.md and its kin.", file_okay=False)],
) -> None:
    """Write the results page out of what the other commands kept."""
    from training.facial_codes import session

    with one_line_errors():
        session.page(study, drivers, traits, witness, out)
    console.print(f"page written to {out}")
