"""An engine folder that is not exactly what was exported is refused, in words that say which file and what to do."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engines.errors import ModelFolderError
from engines.manifest import Manifest
from engines.model_folder import read_model_folder
from engines.onnx_engine import OnnxEngine


@pytest.fixture
def folder(random_engine_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(random_engine_folder, tmp_path / "engine"))


def edit_manifest(folder: Path, change: Callable[[dict[str, Any]], object], *, seal: bool = True) -> None:
    """Change engine.json; with `seal`, make its model hash fit again."""
    path = folder / "engine.json"
    content = json.loads(path.read_text())
    change(content)
    if seal:
        content["model_sha256"] = Manifest.model_validate(content).computed_model_sha256()
    path.write_text(json.dumps(content))


def replace_file(folder: Path, name: str, content: bytes) -> None:
    """Replace a file so that its hash fits: damage done before sealing."""
    (folder / name).write_bytes(content)
    entry = {"size_bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    edit_manifest(folder, lambda manifest: manifest["files"].update({name: entry}))


def test_intact_folder_reads(any_engine_folder: Path) -> None:
    model = read_model_folder(any_engine_folder)
    assert model.spec.model_sha256 == model.manifest.computed_model_sha256()
    assert model.spec.calibration.cohort.shape[1] == model.spec.embedding_size
    assert not model.spec.calibration.cohort.flags.writeable


@pytest.mark.parametrize("name", ["backbone.onnx", "head.onnx", "embedding.onnx", "cohort.npy", "README.md"])
def test_every_file_is_checked(folder: Path, name: str) -> None:
    path = folder / name
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    with pytest.raises(ModelFolderError, match=rf"{name}.*truncated.*copy the engine folder again"):
        read_model_folder(folder)
    middle = len(content) // 2
    path.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
    with pytest.raises(ModelFolderError, match=rf"{name}.*SHA-256"):
        read_model_folder(folder)
    path.unlink()
    with pytest.raises(ModelFolderError, match=rf"{name}: missing"):
        read_model_folder(folder)


def test_folder_without_manifest(folder: Path, tmp_path: Path) -> None:
    (folder / "engine.json").unlink()
    with pytest.raises(ModelFolderError, match=r"has no engine\.json"):
        read_model_folder(folder)
    with pytest.raises(ModelFolderError, match="no such engine folder"):
        read_model_folder(tmp_path / "nowhere")


def test_truncated_manifest(folder: Path) -> None:
    path = folder / "engine.json"
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ModelFolderError, match=r"engine\.json: cannot be read"):
        read_model_folder(folder)


@pytest.mark.parametrize("content", ["[]", "3", "{}", '{"format": 1}', '{"format": 3}', '{"format": "2"}'])
def test_other_formats_are_named(folder: Path, content: str) -> None:
    (folder / "engine.json").write_text(content)
    with pytest.raises(ModelFolderError, match=r"engine format .* this version reads 2"):
        read_model_folder(folder)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda m: m["spec"].update(pixel_mean=0.5), "was altered after export"),
        (lambda m: m["calibration"].update(offset=5.0), "was altered after export"),
        (lambda m: m["spec"].update(window_frames=0), r"spec\.window_frames"),
        (lambda m: m["calibration"].update(slope=-1.0), r"calibration\.slope"),
        (lambda m: m.pop("licence"), "licence"),
        (lambda m: m.update(surprise=1), "surprise"),
        (lambda m: m["files"].update({"../outside": m["files"]["cohort.npy"]}), "outside"),
    ],
)
def test_altered_manifest(folder: Path, change: Callable[[dict[str, Any]], object], says: str) -> None:
    edit_manifest(folder, change, seal=False)
    with pytest.raises(ModelFolderError, match=says):
        read_model_folder(folder)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda m: m["files"].pop("head.onnx"), r"lists no head\.onnx"),
        (lambda m: m["spec"].update(temporal_margin=16), "holds no position"),
        (lambda m: m["spec"].update(fps_min=40), "not below"),
        (lambda m: m["spec"].update(embedding_size=8), r"needs float32 \(at least 2, 8\)"),
    ],
)
def test_sealed_but_contradictory_manifest(folder: Path, change: Callable[[dict[str, Any]], object], says: str) -> None:
    edit_manifest(folder, change)
    with pytest.raises(ModelFolderError, match=says):
        read_model_folder(folder)


def array_bytes(array: np.ndarray[Any, Any], path: Path) -> bytes:
    np.save(path, array)
    return path.read_bytes()


def test_sealed_but_useless_cohort(folder: Path, tmp_path: Path) -> None:
    long_rows = array_bytes(np.full((3, 32), 2, np.float32), tmp_path / "a.npy")
    one_row = array_bytes(np.full((1, 32), 32**-0.5, np.float32), tmp_path / "b.npy")
    for content, says in ((b"no array", "not a readable array"), (long_rows, "L2-normalised"), (one_row, "at least 2")):
        replace_file(folder, "cohort.npy", content)
        with pytest.raises(ModelFolderError, match=says):
            read_model_folder(folder)


@pytest.mark.parametrize("name", ["backbone_cpu.onnx", "head_int8.onnx", "embedding.onnx"])
def test_sealed_but_useless_graph(folder: Path, name: str) -> None:
    other = (folder / "head.onnx").read_bytes()
    replace_file(folder, name, b"no graph")
    with pytest.raises(ModelFolderError, match=rf"{name}: ONNX Runtime cannot load it"):
        OnnxEngine(read_model_folder(folder))
    replace_file(folder, name, other)
    with pytest.raises(ModelFolderError, match=rf"{name}: takes"):
        OnnxEngine(read_model_folder(folder))


@pytest.mark.parametrize("lost", ["backbone_cpu.onnx", "head_int8.onnx"])
def test_graphs_of_every_backend_serve_where_those_for_cpus_are_not_complete(folder: Path, lost: str) -> None:
    assert OnnxEngine(read_model_folder(folder)).status.precision == "fp32, head int8"
    edit_manifest(folder, lambda m: m["files"].pop(lost))
    assert OnnxEngine(read_model_folder(folder)).status.precision == "fp32"
    for name in ("head.onnx", "backbone.onnx"):
        replace_file(folder, name, b"no graph")
        with pytest.raises(ModelFolderError, match=rf"{name}: ONNX Runtime cannot load it"):
            OnnxEngine(read_model_folder(folder))


def test_head_of_another_margin_is_refused(folder: Path) -> None:
    edit_manifest(folder, lambda m: m["spec"].update(temporal_margin=3))
    with pytest.raises(ModelFolderError, match="temporal margin 3"):
        OnnxEngine(read_model_folder(folder))
