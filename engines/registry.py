"""Finds engines by name and picks the backend."""

from __future__ import annotations

from pathlib import Path

from engines.errors import BackendUnavailableError, ModelFolderError
from engines.manifest import MANIFEST_FILE
from engines.model_folder import read_model_folder
from engines.protocol import Engine

MODELS_FOLDER = Path(__file__).parent / "models"

DEFAULT_MODEL = "f5c-stream"
"""The shipped engine that "default" stands for."""

_NO_TENSORRT = "this version has no TensorRT backend"


def load_engine(name_or_path: str = "default", backend: str = "auto", *, threads: int = 1) -> Engine:
    """Load a shipped engine by name, or any engine folder by path; it still has to be opened.

    backend: "auto" takes the fastest that runs here and says in `status.fallback_reason` why it is not a faster one;
    "onnx" takes ONNX Runtime on the CPU. threads: of the CPU backend.
    Raises ModelFolderError for an unknown name or an engine folder that cannot be trusted, BackendUnavailableError for
    a backend that cannot run here.
    """
    if backend == "tensorrt":
        raise BackendUnavailableError(f"{_NO_TENSORRT}; use the backend 'onnx' or 'auto'")
    if backend not in ("auto", "onnx"):
        raise BackendUnavailableError(f"unknown backend {backend!r}; known are 'auto' and 'onnx'")
    model = read_model_folder(find_model(name_or_path))
    # Imported here so that listing engines and asking for help stay quick.
    from engines.onnx_engine import OnnxEngine

    return OnnxEngine(model, threads=threads, fallback_reason=_NO_TENSORRT if backend == "auto" else None)


def find_model(name_or_path: str) -> Path:
    """The folder of a shipped engine's name, or the path itself. Raises ModelFolderError where neither exists."""
    name = DEFAULT_MODEL if name_or_path == "default" else name_or_path
    if name in available_models():
        return MODELS_FOLDER / name
    path = Path(name).expanduser()
    if path.is_dir():
        return path
    shipped = ", ".join(available_models()) or "none"
    raise ModelFolderError(f"no engine {name!r}: neither a folder nor a shipped engine (shipped: {shipped})")


def available_models() -> tuple[str, ...]:
    """Names of the shipped engines, sorted; "default" is one of them."""
    return tuple(sorted(entry.parent.name for entry in MODELS_FOLDER.glob(f"*/{MANIFEST_FILE}")))
