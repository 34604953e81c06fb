"""Finds engines by name and lines up the backends."""

from __future__ import annotations

from pathlib import Path

from engines.errors import BackendUnavailableError, ModelFolderError
from engines.fallback import Backend, FallbackEngine
from engines.gpu_probe import find_gpu_trouble
from engines.manifest import MANIFEST_FILE
from engines.model_folder import ModelFolder, read_model_folder
from engines.protocol import Engine
from engines.stage_clock import StageClock

MODELS_FOLDER = Path(__file__).parent / "models"

DEFAULT_MODEL = "f5c-stream"
"""The shipped engine that "default" stands for."""

_CHAINS = {"auto": ("tensorrt", "onnx"), "tensorrt": ("tensorrt",), "onnx": ("onnx",)}
"""What each wanted backend may come down to, fastest first."""


def load_engine(
    name_or_path: str = "default", backend: str = "auto", *, threads: int = 1, clock: StageClock | None = None
) -> Engine:
    """Load a shipped engine by name, or any engine folder by path; it still has to be opened.

    backend: "auto" takes the fastest that runs here, goes on with the next where it fails in use, and says in
    `status.fallback_reason` why it is not a faster one; "tensorrt" and "onnx" (ONNX Runtime on the CPU) take that one
    and no other. threads: of the CPU backend. clock: counts what each stage takes; an engine with one is slower.
    Raises ModelFolderError for an unknown name or an engine folder that cannot be trusted, BackendUnavailableError for
    a backend that cannot run here.
    """
    if backend not in _CHAINS:
        known = ", ".join(map(repr, _CHAINS))
        raise BackendUnavailableError(f"unknown backend {backend!r}; known are {known}")
    model = read_model_folder(find_model(name_or_path))
    loaders = {"tensorrt": lambda: _load_tensorrt(model, clock), "onnx": lambda: _load_onnx(model, threads, clock)}
    try:
        return FallbackEngine([Backend(name, loaders[name]) for name in _CHAINS[backend]])
    except BackendUnavailableError as error:
        raise BackendUnavailableError(f"{error}; use the backend 'onnx' or 'auto'") from None


def _load_tensorrt(model: ModelFolder, clock: StageClock | None) -> Engine:
    if (trouble := find_gpu_trouble()) is not None:
        raise BackendUnavailableError(trouble)
    from engines.tensorrt.device_loader import load_device_engine

    return load_device_engine(model, clock)


def _load_onnx(model: ModelFolder, threads: int, clock: StageClock | None) -> Engine:
    # Imported here so that listing engines and asking for help stay quick.
    from engines.onnx_engine import OnnxEngine

    return OnnxEngine(model, threads=threads, clock=clock)


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
