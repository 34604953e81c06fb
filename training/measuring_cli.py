"""The commands of `guard-train` that measure: engines, trained networks, and the published one against its record."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from training.errors import TrainingError
from training.one_line_errors import one_line_errors
from training.options import DataOption, FaceMeshOption, PortraitsOption, SeedsOption, ThreadsOption

app = typer.Typer()


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

    with one_line_errors():
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

    with one_line_errors():
        if manifest is not None and into_card:
            raise TrainingError("figures of --manifest do not go into a card; leave one of the two out")
        if out.resolve() == engine.resolve() and not into_card:
            raise TrainingError(f"{out} is the engine's own folder, whose files are sealed; name another one")
        if manifest is not None:
            table = evaluate_clips(engine, prepared_clips(manifest, "test"), out, static, threads, calls=calls).table()
        else:
            unseen = report.Unseen(data, portraits, seeds)
            found = report.evaluate_engine(engine, out, unseen, static, threads, calls=calls)
            if into_card:
                report.write_card(engine, found, out)
            table = found.table()
    sys.stdout.write(table + "\n")


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
    seen: Annotated[
        str, typer.Option(help="Generators that training has seen; commas between. Empty: the unseen one alone.")
    ] = "mesh_warp",
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

    with one_line_errors():
        source = BenchSource(data, portraits, face_mesh, seeds, protocol=replace(BENCH_PROTOCOL, frames=window))
        known = tuple(seen.split(",")) if seen else ()
        if unseen in known:
            raise TrainingError(f"{unseen} is either seen or unseen; give --seen other generators, or an empty one")
        found = compare_runs(runs, out, source, known, unseen, manifest, subject, threads)
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

    with one_line_errors():
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

    with one_line_errors():
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
