"""`guard-train`: from drivers and faces to an engine folder."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from training.errors import TrainingError
from training.options import (
    DataOption,
    Device,
    FaceMeshOption,
    GeneratorsOption,
    NetworkOption,
    OptimizerOption,
    PortraitsOption,
    PrecisionOption,
    PuppetsOption,
    SeedsOption,
    ThreadsOption,
    given_options,
)

app = typer.Typer(
    help="Train, evaluate, calibrate and export engines for the guard.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
_console = Console(stderr=True)
_PROGRESS = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())


@app.command()
def prepare(
    out: Annotated[
        Path, typer.Option(help="Folder of the cut clips; those that are there already are kept.", file_okay=False)
    ],
    manifest: Annotated[
        Path | None, typer.Option(help="CSV: path,driver,target,session,generator,source,split,licence.")
    ] = None,
    layout: Annotated[
        str | None, typer.Option(help="Instead of a manifest, how --root is laid out: folder, nvfair or avaprintdb.")
    ] = None,
    root: Annotated[Path | None, typer.Option(help="Folder of the videos. Without: the manifest's own.")] = None,
    tracks: Annotated[Path | None, typer.Option(help="Folder with tracks.npz, which says where faces are.")] = None,
    whole: Annotated[bool, typer.Option("--whole", help="Instead of tracks: square videos that are all face.")] = False,
    detect: Annotated[bool, typer.Option("--detect", help="Instead of tracks: find the face as a call does.")] = False,
    threads: ThreadsOption = 2,
) -> None:
    """Cut the clips of a manifest once, as a call would show them; a run that was ended goes on where it stopped.

    Videos that cannot be used whole are listed in OUT/refused.csv with the reason; OUT/manifest.csv lists the others.
    """
    from training.data import framing, prepare

    with _one_line_errors():
        found = prepare.find_clips(manifest, layout, root)
        cut = framing.choose(tracks, whole, detect, found.manifest.rows)
        with Progress(*_PROGRESS, console=_console) as progress:
            task = progress.add_task("clips", total=len(found.manifest.rows))
            done = prepare.prepare(found, cut, out, threads, lambda count: progress.update(task, completed=count))
    kept = len(done.rows) - done.made
    _console.print(f"{done.made} clips of {done.frames} frames made, {kept} kept, {len(done.refused)} files refused")
    if done.refused:
        _console.print(done.first_refusals(), markup=False, highlight=False, soft_wrap=True)
    sys.stdout.write(done.table() + "\n")


@app.command()
def fit(
    context: typer.Context,
    out: Annotated[Path, typer.Option(help="Folder of the run: checkpoint.pt and log.jsonl.", file_okay=False)],
    data: DataOption = None,
    portraits: PortraitsOption = None,
    clips: Annotated[
        Path | None,
        typer.Option(help="Folder that `render` filled: learn its motion, and no identity."),
    ] = None,
    seeds: SeedsOption = 1000,
    puppets: PuppetsOption = 100,
    network: NetworkOption = "streaming",
    steps: Annotated[int, typer.Option(min=1, help="Length of the run.")] = 2000,
    minutes: Annotated[float | None, typer.Option(min=0.01, help="Stop by the clock instead of by steps.")] = None,
    frames: Annotated[int, typer.Option(min=64, help="Frames in a batch; memory and time of a step follow.")] = 2048,
    windows: Annotated[
        str, typer.Option(help="Window lengths to mix, in frames; streaming learns from --clips by one.")
    ] = "32,48,64",
    device: Annotated[Device, typer.Option(help="What to train on.")] = "cpu",
    optimizer: OptimizerOption = "adamw",
    precision: PrecisionOption = None,
    compile_network: Annotated[
        bool, typer.Option("--compile", help="torch.compile: pays in runs over ten minutes.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the run's checkpoint, with the options that it keeps.")
    ] = False,
    begin: Annotated[Path | None, typer.Option(help="Run of the same network whose weights to begin with.")] = None,
    generators: GeneratorsOption = "mesh_warp",
    face_mesh: FaceMeshOption = None,
    seed: int = 0,
    threads: ThreadsOption = 2,
) -> None:
    """Train a network end to end on batches in which every driver drives every face.

    On two CPU cores, between `render` and `refine`:

        guard-train fit --out runs/motion --clips runs/clips --minutes 60 --frames 256 --windows 32 --compile

    On one GPU, alone:

        guard-train fit --out runs/full --device cuda --frames 12288 --steps 20000 --seeds 4000

    On several GPUs, behind `torchrun --standalone --nproc-per-node 4 -m training.cli`, they share each batch.
    """
    from training import sessions  # torch is slow to load; --help must not wait for it

    lengths = _lengths(windows)
    with _one_line_errors():
        session = sessions.FitSession(
            network=network, steps=steps, minutes=minutes, frames=frames, windows=lengths, optimizer=optimizer,
            precision=precision, compile=compile_network, seed=seed, generators=tuple(generators.split(",")),
            face_mesh=face_mesh, begin=begin, clips=clips, data=data, portraits=portraits, seeds=seeds, puppets=puppets,
        )  # fmt: skip
        sessions.fit_run(session, out, device, threads, given=given_options(context), resumed=resume)
    _console.print(f"run saved in {out}")


@app.command()
def render(
    out: Annotated[Path, typer.Option(help="Folder of the clips; what is there already is kept.", file_okay=False)],
    data: DataOption = None,
    portraits: PortraitsOption = None,
    seeds: SeedsOption = 300,
    puppets: PuppetsOption = 100,
    batches: Annotated[int, typer.Option(min=1, help="How many batches; 33 MB each.")] = 90,
    windows: Annotated[str, typer.Option(help="Lengths of clips to mix, in frames.")] = "36,128",
    frames: Annotated[int, typer.Option(min=64, help="Frames in a batch.")] = 2048,
    generators: GeneratorsOption = "mesh_warp",
    face_mesh: FaceMeshOption = None,
    seed: int = 0,
    threads: ThreadsOption = 2,
) -> None:
    """Render clips once for `fit --clips` and `refine`: on a CPU rendering takes as long as learning."""
    from training import sessions

    lengths = _lengths(windows)
    with _one_line_errors():
        sessions.render_clips(
            sessions.Source(data, portraits, seeds, puppets),
            out,
            batches=batches,
            windows=lengths,
            frames=frames,
            seed=seed,
            threads=threads,
            generators=tuple(generators.split(",")),
            face_mesh=face_mesh,
        )
    _console.print(f"{batches} batches in {out}")


@app.command()
def unfold(
    engine: Annotated[Path, typer.Argument(help="Engine folder whose weights to go on with.", file_okay=False)],
    clips: Annotated[Path, typer.Option(help="Folder that `render` filled.")],
    out: Annotated[Path, typer.Option(help="Folder of the new run.", file_okay=False)],
    seed: int = 0,
    threads: ThreadsOption = 2,
) -> None:
    """Make a run of an engine, to begin others with (`fit --begin`) where the one that made it is lost."""
    import torch

    from training import sessions

    torch.set_num_threads(threads)
    with _one_line_errors():
        sessions.unfold_run(engine, clips, out, seed=seed)
    _console.print(f"run saved in {out}")


@app.command()
def refine(
    run: Annotated[Path, typer.Option(help="Folder of the run to start from.")],
    clips: Annotated[Path, typer.Option(help="Folder that `render` filled.")],
    out: Annotated[Path, typer.Option(help="Folder of the new run.", file_okay=False)],
    seed: int = 1,
    threads: ThreadsOption = 2,
) -> None:
    """Find the embedding that tells drivers apart, on what a network that learnt motion makes of rendered clips."""
    from training import sessions

    with _one_line_errors():
        sessions.refine_run(run, clips, out, seed=seed, threads=threads)
    _console.print(f"run saved in {out}")


@app.command()
def export(
    run: Annotated[Path, typer.Option(help="Folder of the run.")],
    out: Annotated[Path, typer.Option(help="Engine folder to write.", file_okay=False)],
    version: Annotated[str, typer.Option(help="Version of the engine.")] = "0.1.0",
    data: DataOption = None,
    portraits: PortraitsOption = None,
    seeds: SeedsOption = 40,
    cohort_seeds: Annotated[int, typer.Option(min=8, help="Procedural drivers of the cohort.")] = 96,
    threads: ThreadsOption = 2,
) -> None:
    """Calibrate a trained run on people it never saw and write it as an engine folder."""
    from training import release
    from training.report import Unseen

    with _one_line_errors():
        release.export_run(run, out, version, Unseen(data, portraits, seeds), cohort_seeds, threads)
    _console.print(f"engine written to {out}")


@app.command()
def calibrate(
    engine: Annotated[Path, typer.Option(help="Engine folder.")],
    data: DataOption = None,
    portraits: PortraitsOption = None,
    seeds: SeedsOption = 40,
    threads: ThreadsOption = 2,
) -> None:
    """Fit an engine's log-likelihood ratio on the people that a folder holds for validation, and print it.

    Scores run through the engine's streaming path. Nothing is changed: `export` writes calibrated engines.
    """
    from training import release
    from training.report import Unseen

    with _one_line_errors():
        fitted = release.calibrate_engine(engine, Unseen(data, portraits, seeds), threads)
    sys.stdout.write(json.dumps(fitted, indent=2) + "\n")


@app.command()
def evaluate(
    engine: Annotated[Path, typer.Option(help="Engine folder; scores run through its streaming path.")],
    out: Annotated[Path, typer.Option(help="Folder for report.md, report.json and plots.", file_okay=False)],
    static: Annotated[Path | None, typer.Option(help="Run of the STATIC control, scored on the same clips.")] = None,
    manifest: Annotated[
        Path | None, typer.Option(help="manifest.csv of `prepare`: its test clips, by the published protocol.")
    ] = None,
    data: DataOption = None,
    portraits: PortraitsOption = None,
    seeds: SeedsOption = 32,
    into_card: Annotated[
        bool, typer.Option("--into-card", help="Also write the figures into the engine's card.")
    ] = False,
    calls: Annotated[
        bool, typer.Option("--calls/--no-calls", help="Also longer and worse calls, in twice the time.")
    ] = True,
    threads: ThreadsOption = 2,
) -> None:
    """Measure an engine on same-face pairs of drivers and faces that training never saw, or on people's own clips."""
    from training import report
    from training.evaluation.manifest_report import evaluate_clips
    from training.evaluation.prepared_clips import prepared_clips

    if manifest is not None:
        with _one_line_errors():
            measured = evaluate_clips(engine, prepared_clips(manifest, "test"), out, static, threads, calls=calls)
        sys.stdout.write(measured.table() + "\n")
        return
    with _one_line_errors():
        if out.resolve() == engine.resolve() and not into_card:
            raise TrainingError(f"{out} is the engine's own folder: name another, or give --into-card")
        found = report.evaluate_engine(engine, out, report.Unseen(data, portraits, seeds), static, threads, calls=calls)
        if into_card:
            report.write_card(engine, found, out)
    sys.stdout.write(found.table() + "\n")


@app.command()
def compare(
    runs: Annotated[Path, typer.Argument(help="Folder of runs, ROW/SEED/checkpoint.pt; seeds of a row are averaged.")],
    out: Annotated[
        Path, typer.Option(help="Folder of the table; clips and embeddings are kept there.", file_okay=False)
    ],
    data: DataOption = None,
    portraits: PortraitsOption = None,
    face_mesh: FaceMeshOption = None,
    seeds: SeedsOption = 16,
    seen: Annotated[str, typer.Option(help="Generators that training has seen; commas between.")] = "mesh_warp",
    unseen: Annotated[str, typer.Option(help="Generator that it has not.")] = "face_mesh",
    manifest: Annotated[
        Path | None, typer.Option(help="manifest.csv of `prepare`: a column of its raw test clips, as a warning.")
    ] = None,
    subject: Annotated[str, typer.Option(help="Row that is set against the others.")] = "ours",
    window: Annotated[
        int, typer.Option(min=32, help="Frames of a window; people with shorter recordings drop out.")
    ] = 32,
    threads: ThreadsOption = 2,
) -> None:
    """Measure trained networks side by side on unseen drivers, faces and generator: the table of README.md."""
    from training.evaluation.bench_clips import BENCH_PROTOCOL, BenchSource
    from training.evaluation.comparison_page import comparison_table, write_comparison
    from training.evaluation.comparison_report import compare_runs

    with _one_line_errors():
        source = BenchSource(data, portraits, face_mesh, seeds, protocol=replace(BENCH_PROTOCOL, frames=window))
        found = compare_runs(runs, out, source, tuple(seen.split(",")), unseen, manifest, subject, threads)
        write_comparison(found, out)
    sys.stdout.write(comparison_table(found) + "\n")


@app.command()
def matrix(
    out: Annotated[
        Path,
        typer.Option(help="Folder of matrix.md and its kin; clips and embeddings are kept there.", file_okay=False),
    ],
    engine: Annotated[Path | None, typer.Option(help="Engine folder, measured through its streaming path.")] = None,
    row: Annotated[
        Path | None, typer.Option(help="Row of trained runs, SEED/checkpoint.pt; its seeds are averaged.")
    ] = None,
    data: DataOption = None,
    portraits: PortraitsOption = None,
    face_mesh: FaceMeshOption = None,
    seeds: SeedsOption = 16,
    seen: Annotated[str, typer.Option(help="Generators that training has seen; commas between.")] = "mesh_warp",
    threads: ThreadsOption = 2,
) -> None:
    """Enrol on one generator and probe on another: all four, on the same unseen drivers and as many faces."""
    from training.evaluation.bench_clips import BenchSource
    from training.evaluation.generator_matrix import measure_matrix
    from training.evaluation.matrix_page import matrix_text, write_matrices

    with _one_line_errors():
        source = BenchSource(data, portraits, face_mesh, seeds)
        found = measure_matrix(engine, row, out, source, tuple(seen.split(",")), threads)
        write_matrices(found, out)
    sys.stdout.write(matrix_text(found))


@app.command(name="check-reference")
def check_reference(
    file: Annotated[Path, typer.Argument(help="Reference outputs of the published network (.npz).")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compare the published network with recorded outputs; exit status 1 above an absolute error of 1e-4."""
    from training import reference

    with _one_line_errors():
        errors = reference.check_reference(file)
    values = {name: getattr(errors, name) for name in ("stem", "fcc", "features", "embedding")}
    if as_json:
        document = {**values, "tolerance": reference.REFERENCE_TOLERANCE, "passed": errors.within_tolerance}
        sys.stdout.write(json.dumps(document) + "\n")
    else:
        lines = [f"{name:10s} largest absolute error {value:.2e}" for name, value in values.items()]
        verdict = "within" if errors.within_tolerance else "ABOVE"
        sys.stdout.write("\n".join([*lines, f"{verdict} the tolerance of {reference.REFERENCE_TOLERANCE:g}"]) + "\n")
    if not errors.within_tolerance:
        raise typer.Exit(1)


class _one_line_errors:  # noqa: N801  # reads as a statement
    """Turn this package's errors, those of engines and those of files into one line and exit status 1."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        from engines.errors import EngineError

        if isinstance(error, TrainingError | EngineError):
            _fail(str(error))
        if isinstance(error, OSError) and error.filename is not None:
            _fail(f"cannot use {error.filename}: {error.strerror}")


def _fail(message: str) -> NoReturn:
    _console.print(f"guard-train: {message}", style="red", markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(1)


def _lengths(windows: str) -> tuple[int, ...]:
    try:
        lengths = tuple(int(part) for part in windows.split(","))
    except ValueError:
        _fail(f"--windows takes numbers of frames such as 32,64, got {windows!r}")
    if min(lengths) < 1:
        _fail(f"windows are at least 1 frame long, got {windows!r}")
    return lengths


def main() -> None:
    """Entry point."""
    app()


if __name__ == "__main__":
    main()
