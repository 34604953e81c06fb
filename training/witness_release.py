"""Writes a witness folder (layout: `engines/witnesses/models/README.md`) and reads it back before anybody relies on it.

What a witness computes is its own trainer's business; this is only the wrapping: hashes, calibration, card, pictures.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from engines.errors import EngineError
from engines.expressions.series import Reads
from engines.hashed_files import file_entry
from engines.manifest import ManifestCalibration
from engines.witnesses.explanation import EXPLANATION_FILE
from engines.witnesses.folder import COHORT_FILE, GRAPH_FILE, WITNESS_FOLDER, read_witness_folder
from engines.witnesses.manifest import ManifestSpec, WitnessManifest, witness_sha256
from engines.witnesses.onnx_witness import OnnxWitness
from training.errors import ExportError
from training.released_folder import check_replaceable, write_folder

_PROBE_WINDOWS = 3


@dataclass(frozen=True, slots=True)
class WitnessDraft:
    """A witness's spec before it has a hash; `llr = slope * score + offset` on drivers disjoint from training."""

    name: str
    version: str
    reads: Reads
    rate_hz: float
    window_frames: int
    embedding_size: int
    slope: float
    offset: float


@dataclass(frozen=True, slots=True)
class Movements:
    """Explains the entries of an embedding that is a histogram of facial movements.

    tokens: `{token, words, picture, limits}` each, see `engines.witnesses.explanation.ExplainedToken`.
    pictures: PNG files (<= 10 kB) by the names that tokens give ("pictures/k.png").
    """

    tokens: Sequence[Mapping[str, object]]
    pictures: Mapping[str, bytes] = field(default_factory=dict)


def write_witness(
    folder: Path,
    draft: WitnessDraft,
    embed_onnx: bytes,
    cohort: NDArray[np.float32],
    card: Mapping[str, Any],
    *,
    movements: Movements | None = None,
    documents: Mapping[str, bytes] | None = None,
) -> WitnessManifest:
    """Write a witness to `folder`, in place of what lies there, and check that it loads and embeds.

    embed_onnx: `windows` float32 (n, T, C) to `embeddings` float32 (n, D), n left open, L2-normalised rows.
    cohort: float32 (m, D), m >= 2, L2-normalised rows of drivers that no comparison concerns.
    card: `licence`, `training_data`, `limits` (plain text each) and `metrics`, a list of `{name, value, low, high,
    drivers, trials, about}` (see `engines.manifest.Metric`). documents: further files, such as a README.md.
    Raises ExportError where a part does not fit; what lies in `folder` stays then.
    """
    check_replaceable(folder, WITNESS_FOLDER)
    files = {GRAPH_FILE: embed_onnx, COHORT_FILE: _array_file(cohort)}
    explaining = {**(documents or {}), **_explaining_files(movements)}
    manifest = _manifest(draft, card, files, explaining)
    write_folder(folder, WITNESS_FOLDER, manifest, {**files, **explaining}, _check_embeds)
    return manifest


def _array_file(rows: NDArray[np.float32]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, rows.astype(np.float32), allow_pickle=False)
    return buffer.getvalue()


def _explaining_files(movements: Movements | None) -> dict[str, bytes]:
    if movements is None:
        return {}
    text = json.dumps([dict(token) for token in movements.tokens], indent=1) + "\n"
    return {EXPLANATION_FILE: text.encode(), **movements.pictures}


def _manifest(
    draft: WitnessDraft, card: Mapping[str, Any], files: Mapping[str, bytes], documents: Mapping[str, bytes]
) -> WitnessManifest:
    try:
        spec = ManifestSpec(
            reads=draft.reads,
            rate_hz=draft.rate_hz,
            window_frames=draft.window_frames,
            embedding_size=draft.embedding_size,
        )
        calibration = ManifestCalibration(slope=draft.slope, offset=draft.offset)
        entries = {name: file_entry(content) for name, content in files.items()}
        return WitnessManifest.model_validate(
            {
                **card,
                "format": 1,
                "name": draft.name,
                "version": draft.version,
                "spec": spec,
                "calibration": calibration,
                "files": entries,
                "documents": {name: file_entry(content) for name, content in documents.items()},
                "model_sha256": witness_sha256(spec, calibration, entries),
            }
        )
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ExportError(f"the witness {draft.name} cannot be written: {where}: {first['msg']}") from None


def _check_embeds(folder: Path) -> None:
    """Load what was written and embed drawn windows with it, one alone as in a batch."""
    try:
        witness = OnnxWitness(read_witness_folder(folder))
        spec = witness.spec
        shape = (_PROBE_WINDOWS, spec.window_frames, spec.channels)
        windows = np.random.default_rng(0).uniform(0, 1, shape).astype(np.float32)
        together = witness.embed(windows)
        alone = np.concatenate([witness.embed(window[None]) for window in windows])
    except EngineError as error:
        raise ExportError(f"{folder}: the witness does not work: {error}") from None
    if not np.allclose(together, alone, atol=1e-4):
        raise ExportError(f"{folder}: a window's embedding depends on the others of its batch")
