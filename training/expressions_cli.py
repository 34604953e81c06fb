"""The commands of `guard-train expressions`: identity from how expressions change, without a picture."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from training.one_line_errors import console, one_line_errors
from training.options import DataOption, SeedsOption, ThreadsOption
from training.progress import progress_bar

app = typer.Typer(help="Identity from series of expression coefficients: the second opinion expression_dynamics.")


@app.command()
def study(
    out: Annotated[Path, typer.Option(help="Folder of the page; what was trained is kept there.", file_okay=False)],
    data: Annotated[Path | None, typer.Option(help="Folder with expressions/react_nao.npz.")] = None,
    coefficients: Annotated[
        Path | None, typer.Option(help="Instead of --data: folder PERSON/RECORDING.npz or .csv of your own tracker.")
    ] = None,
    width: Annotated[int, typer.Option(min=2, help="Coefficients a row; FLAME: 100 expression + 3 jaw.")] = 103,
    window: Annotated[int, typer.Option(min=16, help="Rows of a window; own files have 25 a second.")] = 100,
    steps: Annotated[int, typer.Option(min=1, help="Training steps of each encoder.")] = 600,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each encoder.")] = 3,
    draws: Annotated[int, typer.Option(min=1, help="Draws of people who are held out.")] = 5,
    held_out: Annotated[int, typer.Option(min=2, help="People that each draw holds out.")] = 20,
    reference_size: Annotated[
        bool, typer.Option("--reference-size", help="The full Conformer: 4 blocks of 256, for hours of a CPU.")
    ] = False,
    only: Annotated[
        str, typer.Option(help="Rows to train now, commas between, so that processes share the work; no page then.")
    ] = "",
    threads: ThreadsOption = 2,
) -> None:
    """Who is it, and is it who was enrolled: discriminants, controls and a Conformer on the same recordings.

    A run that was ended goes on where it stopped.
    """
    from training.expression_dynamics import page, session
    from training.expression_dynamics.rows import Size
    from training.expression_dynamics.study import Protocol

    with one_line_errors():
        run = session.set_up(
            session.Source(data, coefficients, width),
            Size(window, seeds, steps, reference_size),
            Protocol(window, draws, held_out),
            out,
            [name.strip() for name in only.split(",") if name.strip()],
        )
        with progress_bar() as progress:
            task = progress.add_task("trainings", total=run.trainings)
            found = session.run_study(run, out, threads, lambda: progress.advance(task))
    if found is None:
        console.print(f"rows kept in {out}; run again without --only for the page")
    else:
        sys.stdout.write(page.rows_table(found.rows) + "\n")


@app.command()
def witness(
    out: Annotated[Path, typer.Option(help="Witness folder to write.", file_okay=False)],
    data: DataOption = None,
    seeds: SeedsOption = 1000,
    window: Annotated[int, typer.Option(min=8, help="Samples of a window, 12.5 a second.")] = 31,
    size: Annotated[int, typer.Option(min=2, help="Numbers of an embedding.")] = 24,
    version: Annotated[str, typer.Option(help="Version of the witness.")] = "0.1.0",
    threads: ThreadsOption = 2,
) -> None:
    """Make the live witness: fit on training drivers, calibrate and measure on others, write a witness folder."""
    import torch

    from training.expression_dynamics import witness_run

    torch.set_num_threads(threads)
    with one_line_errors():
        witness_run.refuse_other(out)
        config = witness_run.WitnessConfig(frames=window, size=size, seeds=seeds)
        fitted = witness_run.make_witness(config, data, version, lambda text: console.print(text, markup=False))
        witness_run.write(fitted, out)
    lines = [
        f"{name}: {figure}, {len(trials.scores)} trials"
        for group in fitted.groups
        for name, figure, trials in witness_run.figures(group)
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    console.print(f"witness written to {out}")
