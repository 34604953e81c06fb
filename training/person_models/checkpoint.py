"""A person model on disk."""

from __future__ import annotations

import io
from copy import deepcopy
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from training.errors import CheckpointError
from training.person_models.network import PersonModel, PersonModelConfig


def save_model(model: PersonModel, path: Path, *, cpu_seconds: float) -> None:
    """Write beside the final name and swap, so that what has the name is whole; the folder is made where missing.

    cpu_seconds: what learning it took.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    state = {"person_model": asdict(model.config), "weights": model.state_dict(), "cpu_seconds": cpu_seconds}
    torch.save(state, part)
    part.replace(path)


def load_model(path: Path) -> PersonModel:
    """Ready for use, on the CPU. Raises CheckpointError where there is no person model."""
    return model_of(_content(path), path)


def model_of(content: bytes, path: Path) -> PersonModel:
    """The same, of what a file at `path` was read to hold."""
    state = _state(content, path)
    try:
        model = PersonModel(PersonModelConfig(**state["person_model"]))
        model.load_state_dict(state["weights"])
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise CheckpointError(f"{path} is no person model: {error}") from error
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch does not annotate it
    return model.eval()


def learning_cost(path: Path) -> float:
    """Processor seconds that learning a saved model took. Raises CheckpointError where there is none."""
    return float(_state(_content(path), path)["cpu_seconds"])


def weights_of(model: PersonModel) -> NDArray[np.float32]:
    """All weights one after another, float32 (W,)."""
    return np.concatenate([value.detach().numpy().ravel() for value in model.state_dict().values()])


def with_weights(model: PersonModel, weights: NDArray[np.float32]) -> PersonModel:
    """A copy of a model with these, as `weights_of` gives them. Raises CheckpointError for another number of them."""
    copy, begin = deepcopy(model), 0
    state = copy.state_dict()
    if len(weights) != sum(value.numel() for value in state.values()):
        raise CheckpointError(f"{len(weights)} weights are not those of this general model; learn the person anew")
    for value in state.values():
        part = weights[begin : begin + value.numel()]
        value.copy_(torch.from_numpy(part.copy()).view(value.shape))
        begin += value.numel()
    return copy


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise CheckpointError(f"there is no person model {path}; make one with `guard-train person general`") from error
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}") from error


def _state(content: bytes, path: Path) -> dict[str, Any]:
    try:
        state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises anything on a damaged file
        raise CheckpointError(f"{path} is no person model: {error}") from error
    if not isinstance(state, dict) or "person_model" not in state:
        raise CheckpointError(f"{path} is no person model")
    return state
