"""Turns a trained model into an engine folder (layout: `engines/models/README.md`)."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import shutil
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from engines.errors import ModelFolderError
from engines.golden import (
    GOLDEN_COSINE,
    GOLDEN_FILE,
    GoldenVectors,
    golden_clip,
    golden_cosine,
    golden_frames,
    read_golden,
    write_golden,
)
from engines.manifest import (
    FORMAT_VERSION,
    MANIFEST_FILE,
    FileEntry,
    Manifest,
    ManifestCalibration,
    ManifestSpec,
    model_sha256,
)
from engines.model_folder import (
    BACKBONE_FILE,
    COHORT_FILE,
    CPU_BACKBONE_FILE,
    EMBEDDING_FILE,
    HEAD_FILE,
    INT8_HEAD_FILE,
    read_manifest,
    read_model_folder,
)
from engines.onnx_engine import OnnxEngine
from engines.protocol import FRAME_SIZE_PX, Calibration
from training.cpu_backbone import write_cpu_backbone
from training.errors import ExportError
from training.int8_head import write_int8_head
from training.model_card import CardFigures, ModelCard, card_text, remeasured
from training.models.f5c import FEATURE_CHANNELS, MAP_SIZE
from training.models.step_graphs import step_graphs
from training.models.streaming import MOMENTS_SIZE, TEMPORAL_MARGIN, TEMPORAL_TAPS, StreamingFeatDiff

_LOG = logging.getLogger(__name__)

OPSET = 18
CARD_FILE = "README.md"
_CPU_FILES = (CPU_BACKBONE_FILE, INT8_HEAD_FILE)
_COMPUTING_FILES = (BACKBONE_FILE, HEAD_FILE, *_CPU_FILES, EMBEDDING_FILE, COHORT_FILE)


def export_engine(
    model: StreamingFeatDiff,
    folder: Path,
    *,
    name: str,
    version: str,
    calibration: Calibration,
    fps_min: float,
    fps_max: float,
    card: ModelCard,
) -> Manifest:
    """Write graphs, cohort, manifest and model card to `folder`, which is made where it does not exist.

    The manifest is written last, so that an interrupted export leaves a folder that is refused. At the end the engine
    is loaded and compared with the model. Raises ExportError where they differ or the calibration does not fit. The
    graphs for CPUs are left out, with a warning, where their 8-bit head costs too much with these weights.
    """
    cohort = calibration.cohort
    if cohort.ndim != 2 or cohort.shape[1] != model.config.embedding_size:
        raise ExportError(f"the cohort {cohort.shape} does not fit embeddings of {model.config.embedding_size}")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MANIFEST_FILE).unlink(missing_ok=True)
    write_graphs(model, folder)
    write_golden(golden_vectors(model), folder)
    np.save(folder / COHORT_FILE, cohort.astype(np.float32))
    spec = ManifestSpec(
        window_frames=model.config.window_frames,
        temporal_margin=TEMPORAL_MARGIN,
        embedding_size=model.config.embedding_size,
        fps_min=fps_min,
        fps_max=fps_max,
        pixel_mean=model.config.pixel_mean,
        pixel_std=model.config.pixel_std,
    )
    plain_calibration = ManifestCalibration(slope=calibration.slope, offset=calibration.offset)
    described = {
        "format": FORMAT_VERSION,
        "name": name,
        "version": version,
        "licence": card.licence,
        "training_data": card.training_data,
        "spec": spec,
        "calibration": plain_calibration,
        "metrics": card.metrics,
    }

    def write_manifest() -> None:
        files = {file: file_entry(folder / file) for file in _COMPUTING_FILES if (folder / file).exists()}
        digest = model_sha256(spec, plain_calibration, files)
        manifest = Manifest.model_validate({**described, "files": files, "documents": {}, "model_sha256": digest})
        _write_documents(manifest, folder, card)

    write_manifest()
    _check_same(folder)
    if not _cpu_graphs_serve(folder):
        for file in _CPU_FILES:
            (folder / file).unlink()
        write_manifest()
    return read_manifest(folder)


def rewrite_card(folder: Path, figures: CardFigures) -> Manifest:
    """Replace an engine's metrics, evaluation and pictures; what it computes, its hash and its origin stay.

    For figures that were measured through the exported engine itself. Its pictures may have been written over already,
    in its own folder. Raises ModelFolderError where the folder is no intact engine.
    """
    manifest = read_manifest(folder)
    replaced = {path.name for path in figures.documents}
    for name, entry in {**manifest.files, **manifest.documents}.items():
        if name not in replaced and (not (folder / name).is_file() or file_entry(folder / name) != entry):
            raise ModelFolderError(f"{folder / name}: missing or altered; export the engine again")
    card = remeasured((folder / CARD_FILE).read_text(encoding="utf-8"), manifest, figures)
    _write_documents(manifest.model_copy(update={"metrics": card.metrics}), folder, card)
    written = read_manifest(folder)
    for leftover in manifest.documents.keys() - written.documents.keys():
        (folder / leftover).unlink()
    return written


def write_graphs(model: StreamingFeatDiff, folder: Path) -> None:
    """Write the ONNX graphs; the number of streams is left open in all but those for CPUs."""
    graphs = step_graphs(model)
    maps = (FEATURE_CHANNELS, MAP_SIZE, MAP_SIZE)
    frames = torch.zeros(2, FRAME_SIZE_PX, FRAME_SIZE_PX, dtype=torch.uint8)
    differences = torch.zeros(2, TEMPORAL_TAPS, *maps)
    slices = torch.zeros(2, TEMPORAL_TAPS - 1, FEATURE_CHANNELS // 2, MAP_SIZE, MAP_SIZE // 2)
    write_graph(graphs.backbone, folder / BACKBONE_FILE, {"frames": frames}, ["maps"])
    inputs = {"differences": differences, "earlier_slices": slices}
    write_graph(graphs.head, folder / HEAD_FILE, inputs, ["slice", "position"])
    write_cpu_backbone(graphs.backbone, folder / CPU_BACKBONE_FILE)
    write_int8_head(graphs.head, folder / INT8_HEAD_FILE)
    write_graph(graphs.embedding, folder / EMBEDDING_FILE, {"moments": torch.zeros(2, MOMENTS_SIZE)}, ["embedding"])


def file_entry(path: Path) -> FileEntry:
    content = path.read_bytes()
    return FileEntry(size_bytes=len(content), sha256=hashlib.sha256(content).hexdigest())


def write_graph(graph: nn.Module, path: Path, inputs: dict[str, Tensor], outputs: list[str]) -> None:
    """Export one module with named tensors; the first axis of every input, the streams, is left open."""
    streams = torch.export.Dim("streams", min=1, max=4096)
    with _quiet_exporter():
        program = torch.onnx.export(
            graph,
            tuple(inputs.values()),
            input_names=list(inputs),
            output_names=outputs,
            dynamic_shapes=tuple({0: streams} for _ in inputs),
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    if program is None:
        raise ExportError(f"{path.name}: the exporter gave no graph")
    proto: onnx.ModelProto = program.model_proto
    _strip_origin(proto)
    path.write_bytes(proto.SerializeToString())


def _strip_origin(proto: onnx.ModelProto) -> None:
    """Remove stack traces: they name folders of this machine and change the hash from one checkout to the next."""
    graph = proto.graph
    for part in (proto, graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")


@contextlib.contextmanager
def _quiet_exporter() -> Iterator[None]:
    """Hush what the exporter says about its own internals and about packages that are not needed."""
    registration = logging.getLogger("torch.onnx._internal.exporter._registration")
    level = registration.level
    registration.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*LeafSpec.*", category=FutureWarning)
            warnings.filterwarnings("ignore", message=".*axis name.*", category=UserWarning)
            yield
    finally:
        registration.setLevel(level)


def _write_documents(manifest: Manifest, folder: Path, card: ModelCard) -> None:
    for path in card.documents:
        if path.resolve() != (folder / path.name).resolve():
            shutil.copyfile(path, folder / path.name)
    (folder / CARD_FILE).write_text(card_text(manifest, card), encoding="utf-8")
    names = (CARD_FILE, GOLDEN_FILE, *(path.name for path in card.documents))
    documents = {name: file_entry(folder / name) for name in names}
    complete = Manifest.model_validate({**manifest.model_dump(), "documents": documents})
    (folder / MANIFEST_FILE).write_text(complete.model_dump_json(indent=2) + "\n", encoding="utf-8")


@torch.no_grad()
def golden_vectors(model: StreamingFeatDiff) -> GoldenVectors:
    """What the model itself gives for the windows of the golden clip that end where it is looked at."""
    window = model.config.window_frames
    frames, continues = (torch.from_numpy(part) for part in golden_clip(window))
    training, device = model.training, next(model.parameters()).device
    model.eval()
    ends = golden_frames(window)
    rows = [
        model(
            frames[None, end + 1 - window : end + 1].to(device), continues[None, end + 1 - window : end + 1].to(device)
        )
        for end in ends.tolist()
    ]
    model.train(training)
    return GoldenVectors(ends, torch.cat(rows).float().cpu().numpy())


def _check_same(folder: Path) -> None:
    """Hold the graphs that every backend runs against the golden vectors that their model gave."""
    full = replace(read_model_folder(folder), for_cpu=None)
    cosine = golden_cosine(OnnxEngine(full), read_golden(folder))
    if not cosine >= GOLDEN_COSINE:
        raise ExportError(f"{folder}: the exported engine differs from the model (cosine {cosine:.6f})")


def _cpu_graphs_serve(folder: Path) -> bool:
    """Whether the engine passes with its graphs for CPUs too, as every backend has to."""
    cosine = golden_cosine(OnnxEngine(read_model_folder(folder)), read_golden(folder))
    if cosine >= GOLDEN_COSINE:
        return True
    _LOG.warning("%s: in full precision only, its 8-bit head differs from it (cosine %.6f)", folder, cosine)
    return False
