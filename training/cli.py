"""`guard-train`: from drivers and faces to an engine folder."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from training import codes_cli, expressions_cli, fusion_cli, measuring_cli, person_cli
from training.one_line_errors import console, fail, one_line_errors
from training.options import (
    DataOption,
    Device,
    FaceMeshOption,
    GeneratorsOption,
    LandmarkerOption,
    LayoutOption,
    ManifestOption,
    NetworkOption,
    OptimizerOption,
    PortraitsOption,
    PrecisionOption,
    PuppetsOption,
    RootOption,
    SeedsOption,
    ThreadsOption,
    given_options,
)
from training.progress import progress_bar

app = typer.Typer(
    help="Train, evaluate, calibrate and export engines for the guard.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.command()
def prepare(
    out: Annotated[
        Path, typer.Option(help="Folder of the cut clips; those that are there already are kept.", file_okay=False)
    ],
    manifest: ManifestOption = None,
    layout: LayoutOption = None,
    root: RootOption = None,
    tracks: Annotated[Path | None, typer.Option(help="Folder with tracks.npz, which says where faces are.")] = None,
    whole: Annotated[bool, typer.Option("--whole", help="Instead of tracks: square videos that are all face.")] = False,
    detect: Annotated[bool, typer.Option("--detect", help="Instead of tracks: find the face as a call does.")] = False,
    threads: ThreadsOption = 2,
) -> None:
    """Cut the clips of a manifest once, as a call would show them; a run that was ended goes on where it stopped.

    Videos that cannot be used whole are listed in OUT/refused.csv with the reason; OUT/manifest.csv lists the others.
    """
    from training.data import framing, prepare

    with one_line_errors():
        found = prepare.find_clips(manifest, layout, root)
        cut = framing.choose(tracks, whole, detect, found.manifest.rows)
        with progress_bar() as progress:
            task = progress.add_task("clips", total=len(found.manifest.rows))
            done = prepare.prepare(found, cut, out, threads, lambda count: progress.update(task, completed=count))
    kept = len(done.rows) - done.made
    console.print(f"{done.made} clips of {done.frames} frames made, {kept} kept, {len(done.refused)} files refused")
    if done.refused:
        console.print(done.first_refusals(), markup=False, highlight=False, soft_wrap=True)
    sys.stdout.write(done.table() + "\n")


@app.command()
def track(
    out: Annotated[Path, typer.Option(help="Folder for --data; tracks that it holds are kept.", file_okay=False)],
    landmarker: LandmarkerOption,
    manifest: ManifestOption = None,
    layout: LayoutOption = None,
    root: RootOption = None,
    basis: Annotated[
        Path | None, typer.Option(help="Folder with the basis.npz to write shapes in. Without: fitted to these.")
    ] = None,
) -> None:
    """Track the faces of recordings, so that these people drive other faces: OUT becomes a folder for --data.

    Needs MediaPipe (pip install mediapipe==0.10.35), which brings an OpenCV of its own: best in an environment of its
    own. A run that was ended goes on where it stopped; OUT/refused.csv lists what cannot be used, and why.
    """
    from functools import partial

    from engines.expressions.face_landmarker import face_finder
    from training.data import prepare, tracking_run
    from training.data.manifest import NO_GENERATOR

    with one_line_errors():
        found = prepare.find_clips(manifest, layout, root)
        finder = partial(face_finder, landmarker, video=True)
        with finder():  # what is missing is told before anything is done
            pass
        with progress_bar() as progress:
            total = sum(row.generator == NO_GENERATOR for row in found.manifest.rows)
            task = progress.add_task("recordings", total=total)
            done = tracking_run.track_recordings(
                found.manifest, out, finder, basis, lambda count: progress.update(task, completed=count)
            )
    console.print(
        f"{done.made} recordings tracked, {done.kept} kept, {len(done.refused)} refused; a face in {done.found} of "
        f"{done.frames} frames"
    )


@app.command()
def fit(
    context: typer.Context,
    out: Annotated[Path, typer.Option(help="Folder of the run: checkpoint.pt and log.jsonl.", file_okay=False)],
    data: DataOption = None,
    portraits: PortraitsOption = None,
    clips: Annotated[
        Path | None,
        typer.Option(help="Folder that `render` filled; of it, streaming learns motion, and no identity."),
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

        guard-train fit --out runs/motion --clips runs/clips --minutes 60 --frames 128 --optimizer muon --compile

    On one GPU, alone:

        guard-train fit --out runs/full --device cuda --frames 12288 --steps 20000 --seeds 4000

    On several GPUs, behind `torchrun --standalone --nproc-per-node 4 -m training.cli`, they share each batch.
    """
    from training import sessions  # torch is slow to load; --help must not wait for it

    lengths = _lengths(windows)
    with one_line_errors():
        session = sessions.FitSession(
            network=network, steps=steps, minutes=minutes, frames=frames, windows=lengths, optimizer=optimizer,
            precision=precision, compile=compile_network, seed=seed, generators=tuple(generators.split(",")),
            face_mesh=face_mesh, begin=begin, clips=clips, data=data, portraits=portraits, seeds=seeds, puppets=puppets,
        )  # fmt: skip
        sessions.fit_run(session, out, device, threads, given=given_options(context), resumed=resume)
    console.print(f"run saved in {out}")


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
    with one_line_errors():
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
    console.print(f"{batches} batches in {out}")


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
    with one_line_errors():
        sessions.unfold_run(engine, clips, out, seed=seed)
    console.print(f"run saved in {out}")


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

    with one_line_errors():
        sessions.refine_run(run, clips, out, seed=seed, threads=threads)
    console.print(f"run saved in {out}")


@app.command()
def export(
    run: Annotated[Path, typer.Option(help="Folder of the run.")],
    out: Annotated[Path, typer.Option(help="Engine folder to write.", file_okay=False)],
    version: Annotated[str, typer.Option(help="Version of the engine.")] = "0.1.0",
    data: DataOption = None,
    portraits: PortraitsOption = None,
    seeds: SeedsOption = 40,
    cohort_seeds: Annotated[int, typer.Option(min=8, help="Procedural drivers of the cohort.")] = 96,
    filmed: Annotated[
        Path | None,
        typer.Option(help="manifest.csv of `prepare`, whose training people join the cohort in their own videos."),
    ] = None,
    threads: ThreadsOption = 2,
) -> None:
    """Calibrate a trained run on people it never saw and write it as an engine folder."""
    from training import release
    from training.report import Unseen

    with one_line_errors():
        release.export_run(run, out, version, Unseen(data, portraits, seeds), cohort_seeds, threads, filmed)
    console.print(f"engine written to {out}")


def _lengths(windows: str) -> tuple[int, ...]:
    try:
        lengths = tuple(int(part) for part in windows.split(","))
    except ValueError:
        fail(f"--windows takes numbers of frames such as 32,64, got {windows!r}")
    if min(lengths) < 1:
        fail(f"windows are at least 1 frame long, got {windows!r}")
    return lengths


app.add_typer(measuring_cli.app)
app.add_typer(codes_cli.app, name="codes")
app.add_typer(expressions_cli.app, name="expressions")
app.add_typer(fusion_cli.app, name="fusion")
app.add_typer(person_cli.app, name="person")


def main() -> None:
    """Entry point."""
    app()


if __name__ == "__main__":
    main()
